"""The hypervisor contract: few verbs, each repeatable and read back, spoken in plain values.

A *guest* is what a hypervisor runs (a zone or a VM); its id is chosen by MCP before the first call, so nothing can be
orphaned. Every mutating verb takes a `fence`: a number that grows with every claim of work on that guest. A host keeps
the highest fence it has seen per guest and refuses lower ones (`StaleFence`), so a stalled worker that wakes up
cannot undo newer work. Equal fences are accepted: verbs are repeatable.

Drivers know neither models nor tasks. They raise only `pods.gear.errors`.
`pods/tests/gear/hypervisor/contract.py` is the suite that every driver passes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


class Power(enum.Enum):
    """What a guest is seen to do. UNKNOWN is an honest answer (frozen, aborting, half built)."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image as drivers know it. `path` is the control plane's copy (a tar.zst of a root file system)."""

    slug: str
    version: str
    sha256: str
    size_bytes: int
    path: Path

    @property
    def key(self) -> str:
        """The name of the image's copy on a host."""
        return f"{self.slug}-{self.version}-{self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Nic:
    """One network port of a guest. `mac` is locally administered and derived from the guest's id and index."""

    mac: str
    address: str  # IPv4, without prefix
    prefix_length: int
    gateway: str | None
    bridge: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a guest may use; always on, and read back. `vcpus` may be a fraction of a processor."""

    memory_mib: int
    vcpus: float
    disk_gib: float
    processes: int


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """Everything a driver needs to build a guest; the same spec builds the same guest again."""

    guest_id: str
    hostname: str
    image: ImageRef
    limits: Limits
    uid_slot: int  # own uid range: base 1_000_000 + uid_slot * 65536, unique on the host
    nics: tuple[Nic, ...]
    resolvers: tuple[str, ...] = ()
    search_domain: str = ""
    ssh_keys: tuple[str, ...] = ()
    user_script: str = ""


@dataclass(frozen=True, slots=True)
class GuestObservation:
    """What was read from the host about one guest. `guest_id` is None for a guest that MCP did not make."""

    name: str
    guest_id: str | None
    power: Power
    limits: Limits | None
    uid_slot: int | None
    addresses: tuple[str, ...]
    fence: int
    disk_used_bytes: int | None = None
    guarded: bool | None = None  # anti-spoofing rules seen on every port; None when it does not run or is not ours
    unenforced: tuple[str, ...] = ()  # limits that this host cannot hold, such as "disk" on ext4


@dataclass(frozen=True, slots=True)
class Inventory:
    """All guests of a host. `taken_at` is the control plane's clock before the first question was asked."""

    taken_at: datetime
    guests: tuple[GuestObservation, ...]
    images: tuple[str, ...]  # keys of the image copies on the host

    def by_id(self) -> dict[str, GuestObservation]:
        """Our guests by id."""
        return {g.guest_id: g for g in self.guests if g.guest_id is not None}


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a host lacks and the Debian package (or remedy) that brings it."""

    what: str
    remedy: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a probe found. Sizes are the machine's own, before overcommit."""

    cpus: int
    memory_mib: int
    disk_gib: int
    store_kind: str  # btrfs, zfs, overlay, dir
    cgroup_version: int
    substrate: str  # "lxc 5.0.2"
    kernel: str
    architecture: str
    clock_skew_ms: int
    boot_id: str
    bridges: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether guests can be made on this host."""
        return not any(item.fatal for item in self.missing)


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """How the customer's `user_script` ended; `output` is the end of what it printed (at most 4 KiB)."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Cargo:
    """What a stopped guest's root holds, measured on its host: the digest is over every name with its kind, mode, owner,

    size, time and link, and two roots with the same digest are the same guest. `bytes` counts plain files.
    """

    entries: int
    bytes: int
    digest: str


class Readable(Protocol):
    """A stream of bytes; empty at its end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver can do, as data: callers never ask which driver they have."""

    kinds: frozenset[str]  # zone, vm
    live_limits: bool
    enforces: frozenset[str] = field(default_factory=frozenset)  # memory, cpu, disk, processes, spoofing
    moves_running: bool = False  # whether a running guest may be stopped, moved and started again without asking anybody


Progress = Callable[[str, float], None]  # a sentence and a share 0..1


class Hypervisor(Protocol):
    """One host. Every verb may raise GearUnreachable; mutating verbs also GearUnknown, GearRefused, StaleFence."""

    @property
    def capabilities(self) -> Capabilities:
        """What this driver can do."""

    def probe(self) -> HostFacts:
        """Ask the machine what it is and has. Changes nothing."""

    def heartbeat(self) -> str:
        """The cheapest round trip; answers the machine's boot id, so that a restart of the host is seen."""

    def inventory(self) -> Inventory:
        """Every guest on the host, ours and others', and every image copy. One round trip."""

    def observe(self, guest_id: str) -> GuestObservation | None:
        """One guest, or None if the host has nothing of it (no root, no configuration)."""

    def ensure_image(self, image: ImageRef, progress: Progress | None = None) -> None:
        """Copy the image to the host unless its copy is there; checksum verified on the host; atomic; repeatable.

        Raises ImageBroken, DiskFull.
        """

    def drop_image(self, key: str) -> None:
        """Remove an image copy that no guest needs; repeatable."""

    def create(self, spec: GuestSpec, *, fence: int) -> GuestObservation:
        """Make root, configuration and port of a guest (stopped); what half exists is completed or rebuilt.

        If the guest exists and is complete, its configuration is converged to the spec and its data kept.
        Raises GuestExists if a foreign guest has the name, DiskFull.
        """

    def start(self, guest_id: str, *, fence: int) -> GuestObservation:
        """Boot; a no-op if running. Limits and anti-spoofing are on, and read back, before this returns.

        Raises NoSuchGuest.
        """

    def wait_listening(self, guest_id: str, port: int, timeout_s: float) -> bool:
        """Wait on the host until something in the guest listens on the TCP port; False when time is up.

        Port 0 asks only whether the guest's init has come up.
        """

    def stop(self, guest_id: str, *, fence: int, timeout_s: float) -> GuestObservation:
        """Ask the guest's init to shut down; after `timeout_s` kill it. A no-op if stopped. Raises NoSuchGuest."""

    def configure(self, spec: GuestSpec, *, fence: int) -> GuestObservation:
        """Converge limits, name, keys and addresses of an existing guest; limits apply to a running guest at once.

        Raises NoSuchGuest.
        """

    def destroy(self, guest_id: str, *, fence: int) -> None:
        """Stop and remove every trace (processes, root, configuration, port rules); repeatable; fence is remembered."""

    def first_boot(self, guest_id: str) -> FirstBoot | None:
        """How `user_script` ended, or None while it has not."""

    def measure(self, guest_id: str) -> Cargo:
        """What its root holds; for a stopped guest the same whenever it is asked. Raises NoSuchGuest."""

    def export(self, guest_id: str, *, fence: int) -> AbstractContextManager[Readable]:
        """The root of a stopped guest, data, owners, modes and attributes, for `receive` of another host of the same driver.

        While the context is open nothing else is done with the guest. A stream that breaks off raises where it is read:
        it never merely ends. Raises NoSuchGuest, GearRefused when it runs.
        """

    def receive(self, spec: GuestSpec, data: Readable, cargo: Cargo, *, fence: int) -> GuestObservation:
        """Make a guest (stopped) whose root comes from the stream, and measure it; what half arrived before is dropped.

        If the guest exists and is complete, the stream is not read, its data is kept and its configuration converged.
        Needs no copy of the image. Raises CargoDamaged, GuestExists, DiskFull.
        """

    def close(self) -> None:
        """Give back connections."""
