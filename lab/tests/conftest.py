"""What the lab's own tests share: a photograph of the machine, and guests made by hand."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import cgroups, network
from lab.pod import Pod
from lab.shell import SCRIPTS
from pods.images.builder import build
from pods.images.store import BuiltImage, directory_from_environment

MAKE_GUEST = Path(__file__).parent / "make-guest.sh"


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
    """Poll until the condition holds; False when time is up."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True)
class Traces:
    """What a pod of this name has on the machine now; all empty once it is gone."""

    links: tuple[str, ...]
    mounts: tuple[str, ...]
    loops: tuple[str, ...]
    cgroups: tuple[str, ...]
    processes: tuple[str, ...]
    files: tuple[str, ...]


def traces(name: str, state_dir: Path) -> Traces:
    """Look everywhere a pod may leave something. Processes are found by the state directory in their arguments, too."""
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    found = [h.path / entry for h in cgroups.hierarchies() for entry in os.listdir(h.path)]
    return Traces(
        links=tuple(link for link in network.links() if link.startswith((f"mcp-{name}-", f"mcp-{name}"))),
        mounts=tuple(line for line in Path("/proc/mounts").read_text().splitlines() if str(state_dir) in line),
        loops=tuple(str(path) for path in backing if str(state_dir) in _text(path)),
        cgroups=tuple(str(path) for path in found if path.name.startswith(f"mcp-lab.{name}.")),
        processes=tuple(p.name for p in Path("/proc").glob("[0-9]*") if str(state_dir) in _text(p / "cmdline")),
        files=tuple(str(path) for path in [state_dir] if path.exists()),
    )


NOTHING = Traces((), (), (), (), (), ())


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def namespaces() -> set[str]:
    """Every network, mount and process namespace that a process of this machine is in."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/*"):
        if link.name in ("net", "mnt", "pid"):
            try:
                found.add(os.readlink(link))
            except OSError:  # the process ended while we looked
                continue
    return found


@pytest.fixture(scope="session")
def busybox() -> BuiltImage:
    """The busybox image, built once and kept."""
    return build("busybox", directory_from_environment())


def make_guest(pod: Pod, host: str, name: str, offset: int, image: BuiltImage) -> str:
    """Make and start a guest by hand; answers its address. `offset` also gives it an uid range of its own."""
    address = str(pod.subnet[offset])
    script = MAKE_GUEST.read_text()
    pod.exec(host, "sh", "-c", "cat >/run/make-guest.sh", stdin=script)
    cidr = f"{address}/{pod.subnet.prefixlen}"
    command = ["sh", "/run/make-guest.sh", name, cidr, str(pod.gateway), str(offset), f"{image.slug}-{image.version}"]
    with image.path.open("rb") as archive:
        done = subprocess.run(pod.exec_command(host, command), stdin=archive, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return address


def ssh(pod: Pod, address: str, *command: str) -> str:
    """Run a command in a guest over SSH from the machine, with the lab's key; any host key will do."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    line = ["ssh", "-F", "none", "-i", str(pod.ssh_key_path), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *options]
    done = subprocess.run([*line, f"root@{address}", *command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(address: str) -> bool:
    """Whether one ping from the machine is answered within a second."""
    return subprocess.run(["ping", "-c1", "-W1", address], capture_output=True, timeout=5, check=False).returncode == 0


__all__ = ["NOTHING", "SCRIPTS", "answers", "busybox", "make_guest", "namespaces", "ssh", "traces", "wait_for"]
