"""What a simulated host remembers, as plain values that go to JSON and back unchanged."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from pods.gear.hypervisor.base import GuestObservation, GuestSpec, Limits, Power


@dataclass
class GuestState:
    """One guest. `guest_id` is None when MCP did not make it."""

    name: str
    guest_id: str | None
    limits: Limits
    uid_slot: int | None = None
    image: str = ""
    hostname: str = ""
    macs: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    ssh_keys: list[str] = field(default_factory=list)
    running: bool = False
    autostart: bool = False
    user_script: str = ""
    first_boot: tuple[int, str] | None = None
    listening: list[int] = field(default_factory=lambda: [22])
    guarded: bool = True  # anti-spoofing rules on every port; set at start
    booted_at: float = 0.0  # the pod's clock when it was started
    files: dict[str, str] = field(default_factory=dict)  # what its root holds besides the image

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "limits": asdict(self.limits)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> GuestState:
        """From JSON."""
        first_boot = plain["first_boot"]
        return cls(**plain | {"limits": Limits(**plain["limits"]), "first_boot": tuple(first_boot) if first_boot else None})

    def converge(self, spec: GuestSpec) -> None:
        """Take over what `configure` may change."""
        self.limits = spec.limits
        self.hostname = spec.hostname
        self.macs = [nic.mac for nic in spec.nics]
        self.addresses = [nic.address for nic in spec.nics]
        self.ssh_keys = list(spec.ssh_keys)

    def seen(self, fence: int) -> GuestObservation:
        """What an inventory says of it."""
        return GuestObservation(
            name=self.name,
            guest_id=self.guest_id,
            power=Power.RUNNING if self.running else Power.STOPPED,
            limits=self.limits,
            uid_slot=self.uid_slot,
            addresses=tuple(self.addresses),
            fence=fence,
            disk_used_bytes=200 * 2**20,
            guarded=self.guarded if self.running and self.guest_id else None,
        )


@dataclass
class Fault:
    """What happens to the next call of a verb. `error` is a name in pods.gear.errors, or "" for none (a hang)."""

    verb: str
    error: str
    detail: str
    after_effect: bool
    hang: str = ""  # the id to release, or ""


@dataclass
class HostState:
    """One host: what it is, what it holds, what will go wrong with it."""

    name: str
    cpus: int = 16
    memory_mib: int = 65_536
    disk_gib: int = 1_000
    memory_overcommit: float = 1.0
    disk_overcommit: float = 1.0
    clock_skew_ms: int = 0
    bridges: list[str] = field(default_factory=lambda: ["br0"])
    boot_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    down: bool = False
    guests: dict[str, GuestState] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    fences: dict[str, int] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """For JSON. Shares its parts with the state."""
        guests = {name: guest.to_plain() for name, guest in self.guests.items()}
        return {**vars(self), "guests": guests, "faults": [asdict(fault) for fault in self.faults]}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> HostState:
        """From JSON."""
        guests = {name: GuestState.from_plain(item) for name, item in plain.pop("guests").items()}
        faults = [Fault(**item) for item in plain.pop("faults")]
        return cls(**plain, guests=guests, faults=faults)

    def take_fault(self, verb: str) -> Fault | None:
        """The fault planned for this call, used up."""
        for index, fault in enumerate(self.faults):
            if fault.verb == verb:
                return self.faults.pop(index)
        return None
