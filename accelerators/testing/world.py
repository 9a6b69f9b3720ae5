"""A world to test in: one account, one simulated pod. Real rows, real services, a real (simulated) driver."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from accelerators.models import Accelerator, Plan
from accelerators.services.create import Created, create_accelerators
from accelerators.services.wish import CreateWish
from accelerators.states import State
from accounts.actor import Actor, system
from accounts.models import Account, User
from accounts.permissions import Role
from accounts.services.accounts import open_account
from mcp.operations.models import Operation, Ticket
from mcp.testing.drain import drain
from pods.gear.simulated import SimulatedHost, SimulatedPod
from pods.models import Address, Allocation, Host, Image, Pod
from pods.services.enrol import HostWish, NetworkWish, add_host, add_pod
from pods.states import AddressState

PASSWORD = "correct horse battery"  # noqa: S105  (of people who exist in tests only)


@dataclass(frozen=True)
class World:
    """What the fixture made. `pod_name` names the simulated pod; a path makes it shared between processes."""

    account: Account
    user: User
    pod: Pod
    image: Image
    simulated: SimulatedPod

    @property
    def actor(self) -> Actor:
        """The account's owner."""
        return Actor(label=self.user.username, account=self.account, role=Role.OWNER, user=self.user)

    def host(self, name: str = "h1") -> SimulatedHost:
        """The fault panel of a simulated host."""
        return self.simulated.host(name)

    def host_of(self, accelerator: Accelerator) -> SimulatedHost:
        """The fault panel of the host that an accelerator is on."""
        assert accelerator.host is not None, f"{accelerator.name} is on no host"
        return self.host(accelerator.host.name)

    def create(self, name: str = "web", **wish: Any) -> Created:
        """Ask for accelerators with cheap defaults; nothing is carried out yet."""
        fields = {"plan": "zone-256m", "image": self.image.slug, **wish}
        return create_accelerators(actor=self.actor, wish=CreateWish(name=name, **fields))

    def running(self, name: str = "web", **wish: Any) -> Accelerator:
        """A running accelerator."""
        created = self.create(name, **wish)
        drain()
        return Accelerator.objects.get(pk=created.accelerators[0].pk, state=State.RUNNING)

    def guests(self) -> set[str]:
        """Ids of all guests that exist on any host, whatever MCP thinks."""
        return {name.removeprefix("mcp-") for host in self.simulated.hosts() for name in host.state().guests}


def make_world(*, hosts: int = 2, pod_name: str = "", cidr: str = "10.99.0.0/24", **facts: Any) -> World:
    """Build it. Extra facts go to every simulated host (memory_mib, disk_gib, cpus ...)."""
    name = pod_name or f"test-{uuid4().hex[:8]}"
    simulated = SimulatedPod.named(name)
    user = User.objects.create_user(f"owner-{uuid4().hex[:6]}", password=PASSWORD)
    account = open_account(actor=system(), slug=f"acme-{uuid4().hex[:6]}", name="Acme", owner=user)
    gateway = cidr.rsplit(".", 1)[0] + ".1"
    pod = add_pod(actor=system(), slug=f"pod-{uuid4().hex[:6]}", network=NetworkWish(cidr, gateway=gateway))
    for number in range(1, hosts + 1):
        simulated.add_host(f"h{number}", **facts)
        wish = HostWish(
            address=f"h{number}", port=number_of_port(name), name=f"h{number}", pod=pod, driver="simulated", options={"pod": name}
        )
        add_host(actor=system(), wish=wish)
    ensure_small_plan()
    image = Image.objects.filter(slug="busybox").first() or Image.objects.create(
        slug="busybox", version="1", os="BusyBox", sha256="b" * 64, size_bytes=1, file="busybox-1.tar.zst"
    )
    return World(account, user, pod, image, simulated)


def ensure_small_plan() -> None:
    """Tests that commit flush the tables, the seeded plans too."""
    prices = {"price_hourly": Decimal("0.0273"), "price_monthly": Decimal("19.90"), "price_yearly": Decimal("199.00")}
    size = {"memory_mib": 256, "vcpus": Decimal(1), "disk_gib": 5, "processes": 256}
    Plan.objects.get_or_create(slug="zone-256m", defaults={"name": "1/4 GiB", **size, **prices})


def ensure_spot_plan(slug: str = "spot-256m", **fields: Any) -> Plan:
    """A preemptible plan of the small one's size."""
    prices = {"price_hourly": Decimal("0.0110"), "price_monthly": Decimal("8.00"), "price_yearly": Decimal("80.00")}
    size = {"memory_mib": 256, "vcpus": Decimal(1), "disk_gib": 5, "processes": 256}
    return Plan.objects.get_or_create(slug=slug, defaults={"name": slug, "preemptible": True, **size, **prices, **fields})[0]


def number_of_port(name: str) -> int:
    """Simulated hosts of different pods share names; a port of its own keeps their addresses apart."""
    return 1024 + zlib.crc32(name.encode()) % 60_000


def unclean(world: World, *, expected: frozenset[str] = frozenset()) -> list[str]:
    """Everything that should not be there, as sentences; empty means rows and hosts agree and nothing leaks.

    `expected`: ids of accelerators that should exist.
    """
    faults: list[str] = []
    on_hosts = world.guests()
    if on_hosts != set(expected):
        faults.append(f"guests on hosts {sorted(on_hosts)} instead of {sorted(expected)}")
    allocated = {str(pk) for pk in Allocation.objects.values_list("holder_id", flat=True)}
    if allocated != set(expected):
        faults.append(f"allocations for {sorted(allocated)} instead of {sorted(expected)}")
    held = {str(pk) for pk in Address.objects.filter(state=AddressState.ASSIGNED).values_list("holder_id", flat=True)}
    if held != set(expected):
        faults.append(f"addresses for {sorted(held)} instead of {sorted(expected)}")
    faults += [f"ticket of {ticket}" for ticket in Ticket.objects.all()]
    faults += [f"not settled: {operation}" for operation in Operation.objects.exclude(state__in=sorted(Operation.SETTLED))]
    return faults + unequal_sums()


def unequal_sums() -> list[str]:
    """Hosts whose `used_*` or `spot_*` differ from the sums of their firm and preemptible allocations."""
    faults = []
    for host in Host.objects.all():
        rows = list(host.allocations.values_list("preemptible", "cpu_m", "memory_mib", "disk_gib"))
        firm = [sum(row[column] for row in rows if not row[0]) for column in (1, 2)]
        spot = [sum(row[column] for row in rows if row[0]) for column in (1, 2)]
        wanted = (*firm, sum(row[3] for row in rows), *spot)
        said = (host.used_cpu_m, host.used_memory_mib, host.used_disk_gib, host.spot_cpu_m, host.spot_memory_mib)
        if wanted != said:
            faults.append(f"{host.name}: counts {said}, allocations {wanted}")
    return faults
