"""From the lines of scripts/probe.sh to facts, and to the remedy for what is missing."""

from __future__ import annotations

from collections import defaultdict

from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import HostFacts, Missing

_REMEDIES = {
    "lxc-start": ("LXC", "apt-get install lxc", True),
    "lxc-templates": ("LXC's common configuration", "apt-get install lxc", True),
    "perl": ("perl", "apt-get install perl-base", True),
    "nft": ("nftables (anti-spoofing on guests' ports)", "apt-get install nftables", True),
    "zstd": ("zstd (unpacking images)", "apt-get install zstd", True),
    "tar": ("tar", "apt-get install tar", True),
    "flock": ("flock", "apt-get install util-linux", True),
    "sha256sum": ("sha256sum", "apt-get install coreutils", True),
    "subuid": ("user ids for guests", "add the line root:1000000:1000000000 to /etc/subuid", True),
    "subgid": ("group ids for guests", "add the line root:1000000:1000000000 to /etc/subgid", True),
    "user-namespaces": ("user namespaces", "boot a kernel with CONFIG_USER_NS", True),
    "memory-cgroup": ("memory limits", "boot with cgroup_enable=memory", True),
    "cpu-cgroup": ("processor quotas", "boot a kernel with CONFIG_CFS_BANDWIDTH", True),
}
_STORES = {"btrfs": "btrfs", "zfs": "zfs", "overlayfs": "overlay"}
_NO_QUOTA = "disk limits and instant clones"


def facts(text: str, store: str, *, asked_at: float) -> HostFacts:
    """Facts from key=value lines. `asked_at` is our clock in the middle of the question, seconds since 1970.

    Raises GearRefused when the answer is not understood.
    """
    values = _values(text)
    try:
        kind = _STORES.get(values["store"][0], "dir")
        return HostFacts(
            cpus=int(values["cpus"][0]),
            memory_mib=int(values["memory_kib"][0]) // 1024,
            disk_gib=int(values["disk_kib"][0]) // 2**20,
            store_kind=kind,
            cgroup_version=int(values["cgroup"][0]),
            substrate=f"lxc {values['lxc'][0]}".strip(),
            kernel=values["kernel"][0],
            architecture=values["architecture"][0],
            clock_skew_ms=int(values["clock_ms"][0]) - round(asked_at * 1000),
            boot_id=values["boot_id"][0],
            bridges=tuple(values["bridge"]),
            missing=_missing(values["lacks"], kind, values["bridge"], store),
        )
    except (IndexError, ValueError) as error:
        raise GearRefused("The host's answer to the probe is not understood.", context={"output": text[-400:]}) from error


def _values(text: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        key, _, value = line.partition("=")
        values[key].append(value)
    return values


def _missing(lacks: list[str], kind: str, bridges: list[str], store: str) -> tuple[Missing, ...]:
    found = [Missing(*_REMEDIES[name]) for name in lacks if name in _REMEDIES]
    if kind == "btrfs" and "btrfs" in lacks:
        found.append(Missing("btrfs tools", "apt-get install btrfs-progs", fatal=True))
    if kind == "zfs" and "zfs" in lacks:
        found.append(Missing("ZFS tools", "apt-get install zfsutils-linux", fatal=True))
    if kind not in ("btrfs", "zfs"):
        found.append(Missing(_NO_QUOTA, f"put {store} on btrfs (apt-get install btrfs-progs) or ZFS", fatal=False))
    if not bridges:
        found.append(Missing("a bridge for guests", "configure br0 (apt-get install bridge-utils)", fatal=True))
    return tuple(found)
