"""Whether this machine can run a pod in a box, and what would have to be installed or changed for it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups
from lab.errors import LabError

PACKAGES = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "losetup": "mount",
    "lxc-start": "lxc",
    "mkfs.btrfs": "btrfs-progs",
    "newuidmap": "uidmap",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "zstd": "zstd",
}
FILE_SYSTEMS = ("btrfs", "overlay", "sysfs", "devpts")
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing the machine lacks, and what brings it: a Debian package, or a sentence."""

    what: str
    remedy: str
    package: str = ""


def _programs() -> list[Lack]:
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    return [
        Lack(f"the program {name}", f"apt-get install {package}", package)
        for name, package in PACKAGES.items()
        if shutil.which(name, path=path) is None
    ]


def _file_systems() -> list[Lack]:
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    return [
        Lack(f"the {name} file system", f"a kernel with {name}, or `modprobe {name}`")
        for name in FILE_SYSTEMS
        if name not in known and not _module_exists(name)
    ]


def _module_exists(name: str) -> bool:
    return any(Path("/lib/modules", os.uname().release).rglob(f"{name}.ko*"))


def _devices() -> list[Lack]:
    if Path("/dev/loop-control").exists():
        return []
    return [Lack("loop devices (/dev/loop-control)", "`modprobe loop`, or a container that is given them")]


def _control_groups() -> list[Lack]:
    found = cgroups.hierarchies()
    if not found:
        return [Lack("cgroups below /sys/fs/cgroup", "mount them, as systemd or cgroupfs-mount does")]
    if not all(os.access(h.path, os.W_OK) for h in found):
        return [Lack("cgroups that can be written", "run on the machine itself, or in a privileged container")]
    return []


def missing() -> tuple[Lack, ...]:
    """Everything this machine lacks for the pod in a box; empty if it can run here. Changes nothing."""
    if sys.platform != "linux":
        return (Lack("Linux", "run it on Debian 12"),)
    if os.geteuid() != 0:
        return (Lack("root", "run it as root or with sudo"),)
    return (*_programs(), *_file_systems(), *_devices(), *_control_groups())


def missing_packages() -> tuple[str, ...]:
    """Debian packages that would bring what is missing."""
    return tuple(sorted({lack.package for lack in missing() if lack.package}))


def reason() -> str:
    """Why the pod in a box cannot run here, in one sentence; empty if it can."""
    lacks = missing()
    if not lacks:
        return ""
    listed = "; ".join(f"{lack.what} ({lack.remedy})" for lack in lacks)
    return f"the pod in a box cannot run on this machine, which lacks {listed}"


def check_machine() -> None:
    """Raises LabError with the reason if the pod in a box cannot run here."""
    if why := reason():
        raise LabError(why)
