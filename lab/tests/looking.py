"""Looking at the machine: what a pod has left on it, and whether an address answers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, network


@dataclass(frozen=True)
class Traces:
    """What a pod of this name has on the machine now; all empty once it is gone."""

    links: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


NOTHING = Traces()


def traces(name: str, state_dir: Path) -> Traces:
    """Look everywhere a pod may leave something."""
    place = str(state_dir)
    top = [entry for h in cgroups.hierarchies() for entry in h.path.iterdir()]
    return Traces(
        links=tuple(link for link in network.links() if link == f"mcp-{name}" or link.startswith(f"mcp-{name}-")),
        mounts=tuple(line for line in Path("/proc/mounts").read_text().splitlines() if place in line),
        loops=tuple(str(p) for p in Path("/sys/block").glob("loop*/loop/backing_file") if place in _text(p)),
        cgroups=tuple(str(path) for path in top if path.name.startswith(f"mcp-lab.{name}.")),
        processes=tuple(p.name for p in Path("/proc").glob("[0-9]*") if place in _text(p / "cmdline")),
        files=(place,) if state_dir.exists() else (),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended, or was freed, while we looked
        return ""


def namespaces(pids: set[int]) -> set[str]:
    """The namespaces that these processes are in."""
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/ns").glob("*"):
            found.add(str(link.readlink()))
    return found


def all_namespaces() -> set[str]:
    """Every namespace that any process of the machine is in."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            found.add(str(link.readlink()))
        except OSError:  # it ended while we looked
            continue
    return found


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
    """Poll until the condition holds; False when time is up."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pings(address: str) -> bool:
    """Whether one ping from the machine is answered within a second."""
    command = ["busybox", "ping", "-c1", "-W1", address]
    return subprocess.run(command, capture_output=True, timeout=5, check=False).returncode == 0
