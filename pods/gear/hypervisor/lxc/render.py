"""A guest's LXC configuration and the files put into its root, from a spec that passed the grammar.

Lines carry a tag that says which hosts take them (the host knows itself best, so no question is asked first):
`=` all, `1` cgroup v1, `m` v1 with swap accounting, `2` cgroup v2, `s` v2 with swap, `A` kernel with AppArmor, `a` without.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

from pods.gear.hypervisor.base import GuestSpec, Limits

UID_BASE = 1_000_000
UIDS = 65_536
CPU_PERIOD_US = 100_000
# Nothing in an accelerator needs these; what is left counts only inside the guest's own user namespace.
_DROPPED = (
    "audit_control audit_read block_suspend bpf checkpoint_restore mac_admin mac_override perfmon sys_module sys_rawio "
    "sys_time syslog wake_alarm"
)


@dataclass(frozen=True, slots=True)
class RawLimits:
    """Limits in the host's units. `weight` is cgroup v2's, `shares` is v1's."""

    memory_bytes: int
    quota_us: int
    shares: int
    weight: int
    processes: int
    disk_bytes: int

    @classmethod
    def of(cls, limits: Limits) -> RawLimits:
        """Rounded up to what kernels take (a quota of at least 1 ms)."""
        return cls(
            memory_bytes=limits.memory_mib * 2**20,
            quota_us=max(1_000, math.ceil(limits.vcpus * CPU_PERIOD_US)),
            shares=min(262_144, max(2, round(limits.vcpus * 1_024))),
            weight=min(10_000, max(1, round(limits.vcpus * 100))),
            processes=limits.processes,
            disk_bytes=math.ceil(limits.disk_gib * 2**30 / 4_096) * 4_096,
        )

    def arguments(self) -> tuple[str, ...]:
        """As the scripts take them, disk first."""
        numbers = (self.disk_bytes, self.memory_bytes, self.quota_us, self.shares, self.weight, self.processes)
        return tuple(str(number) for number in numbers)


def port_prefix(guest_id: str) -> str:
    """The name of a guest's host-side ports without their number: at most 13 of the 15 characters that Linux allows."""
    return "mz" + hashlib.sha256(guest_id.encode()).hexdigest()[:11]


def configuration(spec: GuestSpec, *, zone: str, library: str) -> str:
    """The tagged configuration. `zone` is the guest's directory on the host, `library` that of port.sh, reboot.sh, seccomp."""
    return "".join(f"{line}\n" for part in (_identity, _confinement, _limits, _ports) for line in part(spec, zone, library))


def _identity(spec: GuestSpec, zone: str, library: str) -> Iterator[str]:
    yield f"= # mcp.guest_id = {spec.guest_id}"
    yield f"= # mcp.image = {spec.image.key}"
    yield f"= # mcp.disk_bytes = {RawLimits.of(spec.limits).disk_bytes}"
    yield "= lxc.include = /usr/share/lxc/config/common.conf"
    yield "= lxc.include = /usr/share/lxc/config/userns.conf"
    yield f"= lxc.include = {zone}/autostart"
    yield f"= lxc.uts.name = {spec.hostname}"
    yield f"= lxc.rootfs.path = dir:{zone}/rootfs"


def _confinement(spec: GuestSpec, zone: str, library: str) -> Iterator[str]:
    base = UID_BASE + spec.uid_slot * UIDS
    yield "= lxc.rootfs.options = idmap=container"
    yield f"= lxc.idmap = u 0 {base} {UIDS}"
    yield f"= lxc.idmap = g 0 {base} {UIDS}"
    yield f"= lxc.cap.drop = {_DROPPED}"
    yield f"= lxc.hook.post-stop = /bin/sh {library}/reboot.sh {zone}"
    yield f"= lxc.seccomp.profile = {library}/seccomp"
    yield "A lxc.apparmor.profile = generated"
    yield "a lxc.apparmor.profile = unconfined"


def _limits(spec: GuestSpec, zone: str, library: str) -> Iterator[str]:
    raw = RawLimits.of(spec.limits)
    yield f"1 lxc.cgroup.memory.limit_in_bytes = {raw.memory_bytes}"
    yield f"m lxc.cgroup.memory.memsw.limit_in_bytes = {raw.memory_bytes}"
    yield f"1 lxc.cgroup.cpu.cfs_period_us = {CPU_PERIOD_US}"
    yield f"1 lxc.cgroup.cpu.cfs_quota_us = {raw.quota_us}"
    yield f"1 lxc.cgroup.cpu.shares = {raw.shares}"
    yield f"1 lxc.cgroup.pids.max = {raw.processes}"
    yield f"2 lxc.cgroup2.memory.max = {raw.memory_bytes}"
    yield "s lxc.cgroup2.memory.swap.max = 0"
    yield f"2 lxc.cgroup2.cpu.max = {raw.quota_us} {CPU_PERIOD_US}"
    yield f"2 lxc.cgroup2.cpu.weight = {raw.weight}"
    yield f"2 lxc.cgroup2.pids.max = {raw.processes}"


def _ports(spec: GuestSpec, zone: str, library: str) -> Iterator[str]:
    for index, nic in enumerate(spec.nics):
        key = f"= lxc.net.{index}"
        yield f"{key}.type = veth"
        yield f"{key}.name = eth{index}"
        yield f"{key}.link = {nic.bridge}"
        yield f"{key}.flags = up"
        yield f"{key}.hwaddr = {nic.mac}"
        yield f"{key}.veth.pair = {port_prefix(spec.guest_id)}{index}"
        yield f"{key}.ipv4.address = {nic.address}/{nic.prefix_length}"
        if nic.gateway is not None:
            yield f"{key}.ipv4.gateway = {nic.gateway}"
        yield f"{key}.script.up = /bin/sh {library}/port.sh {nic.mac} {nic.address}"


def files(spec: GuestSpec, *, zone: str, library: str) -> list[tuple[str, bytes]]:
    """What travels with create and configure, by the names that scripts/inside.pl knows."""
    texts = {
        "config": configuration(spec, zone=zone, library=library),
        "hostname": f"{spec.hostname}\n",
        "hosts": _hosts(spec),
        "authorized_keys": "".join(f"{key}\n" for key in spec.ssh_keys),
    }
    if spec.resolvers:
        search = f"search {spec.search_domain}\n" if spec.search_domain else ""
        texts["resolv.conf"] = search + "".join(f"nameserver {address}\n" for address in spec.resolvers)
    if spec.user_script:
        texts["user-script"] = spec.user_script
    return [(name, text.encode()) for name, text in texts.items()]


def _hosts(spec: GuestSpec) -> str:
    names = f"{spec.hostname}.{spec.search_domain} {spec.hostname}" if spec.search_domain else spec.hostname
    own = spec.nics[0].address if spec.nics else "127.0.1.1"
    return f"127.0.0.1 localhost\n{own} {names}\n::1 localhost ip6-localhost ip6-loopback\n"
