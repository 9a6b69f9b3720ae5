"""One host of the pod: build its disk and keys, start it, enter it, kill it.

A host is a tree of processes in namespaces of their own. It is alive exactly as long as its process 1; its disk (a btrfs
file system on a loop file) outlives it, so that a restart finds what was there.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from lab import cgroups, network
from lab.errors import LabError
from lab.plan import HostPlan, PodPlan
from lab.shell import SCRIPTS, run, succeeds

BOOT_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is told apart from a later one with the same id by its start time (clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process as it is now, or None if there is none or it is a zombie."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self


def disk(directory: Path) -> Path:
    """The host's disk image inside its directory."""
    return directory / "disk.img"


def prepare(directory: Path, name: str, store_gib: int, authorized_key: Path) -> None:
    """Directory, disk and keys of a host that does not exist yet; nothing runs afterwards."""
    seed = directory / "seed"
    seed.mkdir(parents=True)
    with disk(directory).open("wb") as image:
        image.truncate(store_gib << 30)  # sparse: takes room only as it fills
    run("mkfs.btrfs", "-q", "-K", "-m", "single", "-L", name, str(disk(directory)))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(seed / "host_key"))
    (seed / "authorized_keys").write_text(authorized_key.read_text())


def public_key(directory: Path) -> str:
    """The host key in OpenSSH's form, "ssh-ed25519 AAAA...", without comment."""
    return " ".join((directory / "seed" / "host_key.pub").read_text().split()[:2])


def init_process(directory: Path) -> Process | None:
    """The host's process 1 if it runs."""
    try:
        pid, started = (directory / "init").read_text().split()
    except (OSError, ValueError):
        return None
    process = Process(int(pid), int(started))
    return process if process.alive else None


def start(plan: PodPlan, host: HostPlan, directory: Path) -> None:
    """Boot the host and return once its sshd answers; a no-op if it runs. Raises LabError with the end of its console."""
    if init_process(directory):
        return
    groups = cgroups.create(host.cgroup)
    try:
        _boot(plan, host, directory, groups)
    except (OSError, LabError) as error:
        stop(host, directory)
        raise LabError(f"host {host.name} did not start: {error}\n{_console_end(directory)}") from error


def _boot(plan: PodPlan, host: HostPlan, directory: Path, groups: Sequence[Path]) -> None:
    mounts = ";".join(h.mount_argument for h in cgroups.hierarchies())
    unshare = run(
        *("/bin/sh", str(SCRIPTS / "host-start.sh"), str(directory / "console.log"), str(SCRIPTS / "host-init.sh")),
        *(":".join(map(str, groups)), str(directory), host.name, f"{host.address}/{plan.management.prefixlen}"),
        *(str(plan.management_gateway), mounts),
    )
    init = _child_of(int(unshare))
    cgroups.step_aside(host.cgroup, int(unshare))
    (directory / "init").write_text(f"{init.pid} {init.started}")
    network.plug_in(plan, host, init.pid)
    wait_for_sshd(host.address, init)


def _child_of(unshare: int) -> Process:
    """The child in the new namespaces: unshare's only one."""
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    children = Path(f"/proc/{unshare}/task/{unshare}/children")
    while time.monotonic() < deadline and children.exists():
        with contextlib.suppress(OSError):  # ended between the look and the read
            for pid in children.read_text().split():
                if process := Process.of(int(pid)):
                    return process
        time.sleep(0.002)
    raise LabError("its namespaces were not made")


def wait_for_sshd(address: IPv4Address, init: Process, timeout_s: float = BOOT_TIMEOUT_S) -> None:
    """Wait until something greets on port 22; raises LabError if the host dies first or time runs out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not init.alive:
            raise LabError("it ended while booting")
        if _listens(init) and _greets(address):
            return
        time.sleep(0.01)
    raise LabError(f"sshd on {address} does not answer within {timeout_s:.0f} s")


def _listens(init: Process) -> bool:
    """Whether the host listens on port 22, seen from inside its network namespace.

    To ask from outside before that would cost a second: the kernel waits so long before it repeats an ARP question.
    """
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{init.pid}/net/tcp").read_text().splitlines()[1:]
        return any(f[1].endswith(":0016") and f[3] == "0A" for f in (line.split() for line in lines))
    return False


def _greets(address: IPv4Address) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((str(address), 22), timeout=1) as link:
        return link.recv(4) == b"SSH-"
    return False


def _console_end(directory: Path) -> str:
    try:
        return (directory / "console.log").read_text(errors="replace")[-1500:]
    except OSError:
        return ""


def stop(host: HostPlan, directory: Path) -> None:
    """Pull the plug: everything in the host dies at once; repeatable. Returns when its disk is let go of."""
    cgroups.kill(host.cgroup, STOP_TIMEOUT_S)
    network.unplug(host)
    (directory / "init").unlink(missing_ok=True)
    _wait_for_release(disk(directory))
    cgroups.remove(host.cgroup)


def _wait_for_release(image: Path) -> None:
    """The kernel frees the loop device a moment after the last mount went; until then the disk must not be mounted again."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while devices := loop_devices(image):
        if time.monotonic() > deadline:
            raise LabError(f"{', '.join(devices)} still holds {image}")
        time.sleep(0.01)


def loop_devices(image: Path) -> list[str]:
    """Loop devices that have this file behind them."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # freed while we looked
            if backing.read_text().strip().removesuffix(" (deleted)") == str(image):
                found.append(f"/dev/{backing.parts[3]}")
    return found


def enter_command(host: HostPlan, directory: Path, command: Sequence[str]) -> list[str]:
    """The argument list that runs `command` inside the host; raises LabError if the host is off."""
    init = init_process(directory)
    if init is None:
        raise LabError(f"host {host.name} is off")
    groups = ":".join(str(_leaf(path)) for path in cgroups.directories(host.cgroup))
    return ["/bin/sh", str(SCRIPTS / "host-enter.sh"), str(init.pid), groups, *command]


def _leaf(directory: Path) -> Path:
    """Where a version 2 host keeps its own processes; version 1 has no such place."""
    scope = directory / "init.scope"
    return scope if scope.is_dir() else directory


def detach_leftovers(image: Path) -> None:
    """Free loop devices that a crash left attached without any mount; those in use are freed when their mount goes."""
    for device in loop_devices(image):
        succeeds("losetup", "--detach", device)


def kill_strays(directory: Path) -> None:
    """Kill a host's process 1 that is known only by its recorded id, as after the loss of its cgroup."""
    if process := init_process(directory):
        os.kill(process.pid, 9)
