"""Reading what scripts/observe.sh prints. Strict: a line that does not fit is an error, for a guess would become a fact."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import GuestObservation, Limits, Power
from pods.gear.hypervisor.lxc.render import UID_BASE, UIDS

_GUEST_NAME = re.compile(r"mcp-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_SECTION = re.compile(r"@(files|zones|links|ports|disk|images|end)")
_PAYLOAD = re.compile(r"/lxc\.payload\.([^/]+)/([a-z_.]+)$")
_NOWHERE = 2**60  # kernels write "no limit" as a number near 2**63


@dataclass
class Guest:
    """What was read about one guest, settings and live values apart."""

    name: str
    settings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    live: dict[str, str] = field(default_factory=dict)
    monitor: bool = False
    foreign: bool = False  # a directory of its own under our name
    here: bool = False  # has a directory in the store
    fence: int = 0
    qgroup: str = ""
    disk_used: int | None = None
    disk_limit: int | None = None
    ports: int = 0  # guarded ports seen

    @property
    def guest_id(self) -> str | None:
        """The id in the name, unless the guest is foreign."""
        match = _GUEST_NAME.fullmatch(self.name)
        return match[1] if match and not self.foreign else None

    def setting(self, key: str) -> str | None:
        """The last value of a key, as LXC takes it."""
        values = self.settings.get(key)
        return values[-1] if values else None

    def settings_like(self, pattern: str) -> list[str]:
        """The values of all keys that match."""
        return [value for key, values in self.settings.items() if re.fullmatch(pattern, key) for value in values]


@dataclass
class Dump:
    """A whole answer."""

    guests: dict[str, Guest]
    images: tuple[str, ...]
    store_kind: str


def parse(text: str, store: str) -> Dump:
    """Guests by name. Raises GearRefused when the answer is cut short or not understood."""
    sections = _sections(text)
    guests: dict[str, Guest] = {}
    for line in sections["links"]:
        kind, _, path = line.partition(" ")
        guest = guests.setdefault(PurePosixPath(path).name, Guest(PurePosixPath(path).name))
        guest.foreign = kind == "D"
    for line in sections["zones"]:
        name = f"mcp-{PurePosixPath(line).name}"
        guests.setdefault(name, Guest(name)).here = True
    _read_files(sections["files"], guests, store)
    _read_ports(sections["ports"], guests)
    kind = _read_disk(sections["disk"], guests)
    return Dump(guests, tuple(PurePosixPath(line).name for line in sections["images"]), kind)


def observation(guest: Guest, store_kind: str) -> GuestObservation:
    """What the contract calls for."""
    power = power_of(guest)
    running = power is not Power.STOPPED
    return GuestObservation(
        name=guest.name,
        guest_id=guest.guest_id,
        power=power,
        limits=live_limits(guest) if running and guest.guest_id else configured_limits(guest),
        uid_slot=_uid_slot(guest),
        addresses=tuple(v.partition("/")[0] for v in guest.settings_like(r"lxc\.net\.[0-9]+\.ipv4\.address")),
        fence=guest.fence,
        disk_used_bytes=guest.disk_used,
        guarded=guest.ports >= nic_count(guest) if running and guest.guest_id else None,
        unenforced=() if store_kind in ("btrfs", "zfs") else ("disk",),
    )


def power_of(guest: Guest) -> Power:
    """RUNNING only if processes are there and not frozen; UNKNOWN while a monitor stands without them."""
    state = guest.live.get("freezer.state") or guest.live.get("cgroup.freeze", "0")
    if not guest.monitor:
        return Power.STOPPED
    alive = guest.live.get("pids.current", "0") != "0" and state in ("THAWED", "0")
    return Power.RUNNING if alive else Power.UNKNOWN


def nic_count(guest: Guest) -> int:
    """How many ports the configuration names."""
    return len(guest.settings_like(r"lxc\.net\.[0-9]+\.hwaddr"))


def configured_limits(guest: Guest) -> Limits | None:
    """From the configuration; None when a limit is missing there."""
    memory = guest.setting("lxc.cgroup.memory.limit_in_bytes") or guest.setting("lxc.cgroup2.memory.max")
    pids = guest.setting("lxc.cgroup.pids.max") or guest.setting("lxc.cgroup2.pids.max")
    quota = guest.setting("lxc.cgroup.cpu.cfs_quota_us")
    period = guest.setting("lxc.cgroup.cpu.cfs_period_us")
    if quota is None:
        quota, _, period = (guest.setting("lxc.cgroup2.cpu.max") or "max 100000").partition(" ")
    return _limits(memory, quota, period, pids, _disk(guest))


def live_limits(guest: Guest) -> Limits | None:
    """From the kernel's files; None when one of them does not limit."""
    memory = guest.live.get("memory.limit_in_bytes") or guest.live.get("memory.max")
    quota, period = guest.live.get("cpu.cfs_quota_us"), guest.live.get("cpu.cfs_period_us")
    if quota is None:
        quota, _, period = guest.live.get("cpu.max", "max 100000").partition(" ")
    return _limits(memory, quota, period, guest.live.get("pids.max"), _disk(guest))


def _disk(guest: Guest) -> int | None:
    """The store's own limit; where the store keeps none, what the configuration remembers."""
    if guest.disk_limit is not None:
        return guest.disk_limit
    planned = guest.setting("mcp.disk_bytes")
    return int(planned) if planned and not guest.qgroup else None


def _limits(memory: str | None, quota: str | None, period: str | None, pids: str | None, disk: int | None) -> Limits | None:
    numbers = [_number(item) for item in (memory, quota, period, pids)]
    if disk is None or any(number is None for number in numbers):
        return None
    memory_bytes, quota_us, period_us, processes = (number or 0 for number in numbers)
    return Limits(
        memory_mib=memory_bytes // 2**20,
        vcpus=round(quota_us / max(1, period_us), 4),
        disk_gib=round(disk / 2**30, 6),
        processes=processes,
    )


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or int(text) > _NOWHERE:
        return None
    return int(text)


def _uid_slot(guest: Guest) -> int | None:
    for value in guest.settings.get("lxc.idmap", []):
        parts = value.split()
        if parts[:2] == ["u", "0"] and len(parts) == 4 and parts[2].isdigit():
            slot, rest = divmod(int(parts[2]) - UID_BASE, UIDS)
            return slot if rest == 0 and slot >= 0 else None
    return None


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = defaultdict(list)
    current = ""
    for line in text.splitlines():
        if match := _SECTION.fullmatch(line):
            current = match[1]
        elif current:
            sections[current].append(line)
    if current != "end":
        raise GearRefused("The host's answer ends in the middle.", context={"output": text[-200:]})
    return sections


def _read_files(lines: list[str], guests: dict[str, Guest], store: str) -> None:
    for line in lines:
        path, separator, value = line.partition(":")
        if not separator:
            raise GearRefused("The host's answer is not understood.", context={"line": line[:200]})
        if path == "/proc/net/unix":
            _note_monitor(guests, value)
        elif match := _PAYLOAD.search(path):
            if match[1] in guests:
                guests[match[1]].live[match[2]] = value
        elif path.endswith("/config"):
            _note_setting(guests, PurePosixPath(path).parent.name, value)
        elif path.startswith(f"{store}/fences/"):
            _note_fence(guests, PurePosixPath(path).name, value)
        elif path.endswith("/qgroup"):
            name = f"mcp-{PurePosixPath(path).parent.name}"
            guests.setdefault(name, Guest(name)).qgroup = value


def _note_setting(guests: dict[str, Guest], name: str, line: str) -> None:
    key, separator, value = line.removeprefix("# ").partition("=")
    if separator:
        guests.setdefault(name, Guest(name)).settings[key.strip()].append(value.strip())


def _note_monitor(guests: dict[str, Guest], line: str) -> None:
    guest = guests.get(PurePosixPath(line).parent.name)
    if guest is not None and line.endswith("/command"):
        guest.monitor = True


def _note_fence(guests: dict[str, Guest], guest_id: str, value: str) -> None:
    guest = guests.get(f"mcp-{guest_id}")
    if guest is not None and not guest.foreign:
        guest.fence = max(guest.fence, _number(value) or 0)


def _read_ports(lines: list[str], guests: dict[str, Guest]) -> None:
    tables = {line.removeprefix("table netdev mcp_") for line in lines}
    for guest in guests.values():
        guest.ports = sum(port in tables for port in guest.settings_like(r"lxc\.net\.[0-9]+\.veth\.pair"))


def _read_disk(lines: list[str], guests: dict[str, Guest]) -> str:
    kind = lines[0].split()[1] if lines else "dir"
    if kind == "btrfs":
        _read_qgroups(lines[1:], guests)
    elif kind == "zfs":
        _read_datasets(lines[1:], guests)
    return kind


def _read_qgroups(lines: list[str], guests: dict[str, Guest]) -> None:
    rows = {parts[0]: parts for parts in (line.split() for line in lines) if parts and parts[0].startswith("0/")}
    for guest in guests.values():
        if guest.qgroup and (row := rows.get(f"0/{guest.qgroup}")):
            guest.disk_used = _number(row[1])
            guest.disk_limit = _number(row[3])


def _read_datasets(lines: list[str], guests: dict[str, Guest]) -> None:
    for line in lines:
        dataset, name, value = line.split("\t")[:3]
        guest = guests.get("mcp-" + dataset.rpartition("/zone-")[2])
        if guest is not None and name == "referenced":
            guest.disk_used = _number(value)
        elif guest is not None and value not in ("0", "none"):
            guest.disk_limit = _number(value)
