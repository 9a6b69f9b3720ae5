"""A cgroup subtree for each host, in every hierarchy the machine has (version 1, hybrid or version 2).

A host's processes, its guests included, never leave its subtree: that makes it the one reliable list of what to kill, and
what must be empty afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

TOP = Path("/sys/fs/cgroup")
OWN_OPTIONS = {"rw", "ro", "xattr", "clone_children", "release_agent"}
V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup hierarchy; `options` mounts the same one again in a host."""

    path: Path
    version: int
    options: str

    @property
    def relative(self) -> str:
        """Where it is mounted below /sys/fs/cgroup, "." for the top itself."""
        return os.path.relpath(self.path, TOP)

    @property
    def mount_argument(self) -> str:
        """The form that host-init.sh takes."""
        return f"{self.relative}={'cgroup2' if self.version == 2 else 'cgroup'}={self.options}"


def _v1_options(super_options: str) -> str:
    """Controllers (or name) that identify a version 1 hierarchy; a named one has no controller and says so."""
    kept = [o for o in super_options.split(",") if o.split("=")[0] not in OWN_OPTIONS]
    return ",".join(["none", *kept]) if any(o.startswith("name=") for o in kept) else ",".join(kept)


def parse_mountinfo(text: str) -> tuple[Hierarchy, ...]:
    """The hierarchies below /sys/fs/cgroup that a /proc/PID/mountinfo lists."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        path = Path(left.split()[4])
        kind, _, super_options = right.split()[:3]
        if path.is_relative_to(TOP) and kind == "cgroup":
            found.append(Hierarchy(path, 1, _v1_options(super_options)))
        elif path.is_relative_to(TOP) and kind == "cgroup2":
            found.append(Hierarchy(path, 2, "rw"))
    return tuple(found)


def hierarchies() -> tuple[Hierarchy, ...]:
    """The machine's cgroup hierarchies."""
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text())


def directories(cgroup: str) -> tuple[Path, ...]:
    """A host's directory in each hierarchy, whether it exists or not."""
    return tuple(h.path / cgroup for h in hierarchies())


def _inherit_cpuset(directory: Path) -> None:
    """Version 1 makes a cpuset empty, and then nobody can enter it."""
    for name in ("cpuset.mems", "cpuset.cpus"):
        if (directory / name).exists():
            (directory / name).write_text((directory.parent / name).read_text())


def _hand_down_controllers(top: Path) -> None:
    """Version 2: the top hands controllers to its children only when told; what it lacks is left out."""
    available = (top / "cgroup.controllers").read_text().split()
    for name in V2_CONTROLLERS:
        if name in available:
            (top / "cgroup.subtree_control").write_text(f"+{name}")


def create(cgroup: str) -> tuple[Path, ...]:
    """Make a host's directory in every hierarchy and answer them; repeatable. Raises LabError if the kernel refuses."""
    try:
        for hierarchy in hierarchies():
            if hierarchy.version == 2 and hierarchy.path == TOP:
                _hand_down_controllers(hierarchy.path)
            (hierarchy.path / cgroup).mkdir(exist_ok=True)
            if hierarchy.version == 1:
                _inherit_cpuset(hierarchy.path / cgroup)
    except OSError as error:
        raise LabError(f"cannot make cgroup {cgroup}: {error}") from error
    return directories(cgroup)


def step_aside(cgroup: str, process: int) -> None:
    """Version 2: move a process from the top of a host's subtree to its leaf, for controllers are handed on only from a
    place without processes. What runs inside the host does the same for itself; this is for what stays outside.
    """
    for hierarchy in hierarchies():
        if hierarchy.version == 2 and hierarchy.path == TOP:
            leaf = hierarchy.path / cgroup / "init.scope"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(process))


def processes(cgroup: str) -> set[int]:
    """Ids of all processes in a host's subtree, in any hierarchy."""
    found: set[int] = set()
    for directory in directories(cgroup):
        for place, _, _ in os.walk(directory):
            found.update(_members(Path(place)))
    return found


def _members(directory: Path) -> set[int]:
    try:
        lines = (directory / "cgroup.procs").read_text().split()
    except OSError:  # went away, or a threaded cgroup, whose processes the one above lists
        return set()
    return {int(line) for line in lines} - {0}


def kill(cgroup: str, timeout_s: float = 20.0) -> None:
    """Kill everything in the subtree until it is empty; repeatable. Raises LabError if something outlives the time."""
    deadline = time.monotonic() + timeout_s
    while alive := processes(cgroup):
        _thaw(cgroup)
        for process in alive:
            _kill(process)
        if time.monotonic() > deadline:
            raise LabError(f"processes {sorted(alive)} of {cgroup} do not die")
        time.sleep(0.01)


def _thaw(cgroup: str) -> None:
    """A process frozen by the version 1 freezer does not die before it is thawed."""
    for directory in directories(cgroup):
        for state in directory.rglob("freezer.state"):
            with contextlib.suppress(OSError):  # the guest's cgroup went away meanwhile
                state.write_text("THAWED")


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def remove(cgroup: str, timeout_s: float = 5.0) -> None:
    """Remove the (empty) subtree from every hierarchy; repeatable. The kernel may need a moment after a kill."""
    deadline = time.monotonic() + timeout_s
    for directory in directories(cgroup):
        while directory.exists() and not _remove_tree(directory):
            if time.monotonic() > deadline:
                raise LabError(f"cgroup {directory} cannot be removed: it is still in use")
            time.sleep(0.01)


def _remove_tree(directory: Path) -> bool:
    for place, _, _ in os.walk(directory, topdown=False):
        try:
            Path(place).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
