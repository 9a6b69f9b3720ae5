"""Pods with their networks, and hosts of several sizes and generations."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID

from accelerators.fleet.draw import Draw
from pods.gear.hypervisor.base import HostFacts
from pods.gear.simulated import HostState
from pods.models import Host, Image, Network, Pod
from pods.services.enrol import record_facts
from pods.states import HostDuty, PodState, SpotUse

DRIVER = "simulated"
PLACES = [
    ("ams", "Amsterdam", "Europe/Amsterdam"), ("fra", "Frankfurt", "Europe/Berlin"), ("lon", "London", "Europe/London"),
    ("nyc", "New York", "America/New_York"), ("sfo", "San Francisco", "America/Los_Angeles"),
    ("sin", "Singapore", "Asia/Singapore"),
    ("tyo", "Tokyo", "Asia/Tokyo"), ("syd", "Sydney", "Australia/Sydney"),
]  # fmt: skip
NIGHTS = ["mon-fri 19:00-07:00", "sat,sun 00:00-24:00"]
POD_STATES = {PodState.DRAINING: 0.05, PodState.CLOSED: 0.03}
DUTIES = {HostDuty.DRAINING: 0.02, HostDuty.MAINTENANCE: 0.012, HostDuty.RETIRED: 0.008}
SILENT = 0.01
LENDING = 0.12


@dataclass(frozen=True, slots=True)
class Generation:
    """One purchase of machines."""

    name: str
    cpus: int
    memory_mib: int
    disk_gib: int
    traits: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("zone",)


# Runs everything that is sold without traits; the first of each pod is one.
ROUND = Generation("g2v", 16, 65_536, 1_600, ("ssd", "kvm"), ("vm", "zone"))
# With their share of the fleet.
GENERATIONS = {
    Generation("g1", 8, 32_768, 600, ("hdd",)): 0.25,
    Generation("g2", 16, 65_536, 1_200, ("ssd",)): 0.37,
    ROUND: 0.12,
    Generation("g3", 32, 131_072, 2_400, ("ssd", "nvme", "10g")): 0.15,
    Generation("g3v", 32, 131_072, 3_200, ("ssd", "kvm"), ("vm",)): 0.06,
    Generation("g3g", 32, 131_072, 2_400, ("ssd", "nvme", "gpu")): 0.05,
}
USUAL_MEMORY_MIB = sum(generation.memory_mib * share for generation, share in GENERATIONS.items())


@dataclass(slots=True)
class Machine:
    """A host's row, and what the simulated machine behind it remembers."""

    host: Host
    state: HostState
    images: dict[str, Image] = field(default_factory=dict)  # copies on it, by key


@dataclass(slots=True)
class Site:
    """One pod with all that stands in it. Nothing is written yet."""

    pod: Pod
    network: Network
    machines: list[Machine]
    directory: Path
    owners: set[str] = field(default_factory=set)  # accounts with hosts of their own here

    @property
    def holding(self) -> list[Machine]:
        """Those that may hold guests."""
        return [machine for machine in self.machines if machine.host.duty != HostDuty.RETIRED]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a world stands: its name begins the names of its pods, hosts and accounts."""

    world: str
    state_dir: Path
    scale: int  # how many times the usual size of the machines


def make_sites(draw: Draw, ground: Ground, *, pods: int, hosts: int) -> list[Site]:
    """Pods of unequal sizes that hold so many hosts in all."""
    states = draw.spread_out(POD_STATES, pods, PodState.OPEN)
    duties = iter(draw.spread_out(DUTIES, hosts, HostDuty.ACTIVE))
    sites = [_site(draw, ground, number, state) for number, state in enumerate(states)]
    for site, count in zip(sites, _shares(draw, hosts, pods), strict=True):
        site.machines += [_machine(draw, ground, site, number, next(duties)) for number in range(1, count + 1)]
    return sites


def make_exclusive(site: Site, account_id: UUID) -> None:
    """Keep one host in fifty of a pod that has as many for one account."""
    for machine in site.holding[1 : 1 + len(site.machines) // 50]:
        machine.host.exclusive_account_id = account_id
        site.owners.add(str(account_id))


def _shares(draw: Draw, hosts: int, pods: int) -> list[int]:
    """Between half and one and a half times the average, at least one each."""
    weights = [0.5 + draw.chance.random() for _ in range(pods)]
    counts = [max(1, int(hosts * weight / sum(weights))) for weight in weights]
    for number in range(hosts - sum(counts)):
        counts[number % pods] += 1
    return counts


def _site(draw: Draw, ground: Ground, number: int, state: PodState) -> Site:
    code, location, zone = PLACES[number % len(PLACES)]
    slug = f"{ground.world}-{code}{number // len(PLACES) + 1}"
    born = draw.ago(timedelta(days=900), timedelta(days=450))
    guarded = number % 4 == 1
    pod = Pod(
        id=draw.id_at(born), slug=slug, name=f"{location} {number // len(PLACES) + 1}", location=location, state=state,
        n_plus_one=guarded, time_zone=zone, memory_overcommit=1.2 if number % 5 == 2 else 1.0, resolvers=["9.9.9.9"],
        dns_suffix="fleet.test", created_at=born,
    )  # fmt: skip
    cidr = IPv4Network((0x0A000000 + ((number % 256) << 16), 16))
    network = Network(
        id=draw.id_at(born), pod=pod, cidr=str(cidr), gateway=str(cidr[1]), range_first=str(cidr[2]), range_last=str(cidr[-2]),
        created_at=born,
    )  # fmt: skip
    return Site(pod, network, [], ground.state_dir / slug)


def _machine(draw: Draw, ground: Ground, site: Site, number: int, duty: HostDuty) -> Machine:
    generation = ROUND if number == 1 else draw.weighted(GENERATIONS)
    name = f"{site.pod.slug}-h{number}"
    born = draw.ago(timedelta(days=850), timedelta(days=1)) if draw.happens(0.5) else site.pod.created_at
    state = HostState(
        name=name, cpus=generation.cpus * ground.scale, memory_mib=generation.memory_mib * ground.scale,
        disk_gib=generation.disk_gib * ground.scale, memory_overcommit=site.pod.memory_overcommit, boot_id=draw.text_id(),
    )  # fmt: skip
    host = Host(
        id=draw.id_at(born), pod=site.pod, name=name, driver=DRIVER, address=name, options={"pod": str(site.directory)},
        kinds=list(generation.kinds), traits=[generation.name, *generation.traits], created_at=born,
    )  # fmt: skip
    record_facts(host, _facts(state))
    host.last_seen_at = draw.now - timedelta(seconds=8 * draw.chance.random())
    host.inventory_at = draw.now - timedelta(seconds=25 * draw.chance.random())
    if "zone" in host.kinds and (number == 1 or draw.happens(LENDING)):
        _lend(draw, host)
    _put_to_duty(draw, host, state, duty)
    return Machine(host, state)


def _facts(state: HostState) -> HostFacts:
    return HostFacts(
        cpus=state.cpus, memory_mib=state.memory_mib, disk_gib=state.disk_gib, store_kind="simulated", cgroup_version=2,
        substrate="simulated 1", kernel="simulated", architecture="x86_64", clock_skew_ms=0, boot_id=state.boot_id,
        bridges=tuple(state.bridges),
    )  # fmt: skip


def _lend(draw: Draw, host: Host) -> None:
    """Its idle room; most do so at night."""
    host.spot = draw.weighted({SpotUse.WINDOWS: 0.7, SpotUse.ALWAYS: 0.3})
    host.spot_windows = NIGHTS if host.spot == SpotUse.WINDOWS else []


def _put_to_duty(draw: Draw, host: Host, state: HostState, duty: HostDuty) -> None:
    host.duty = duty
    if duty != HostDuty.ACTIVE:
        reasons = {HostDuty.DRAINING: "lease ends", HostDuty.MAINTENANCE: "new power supply", HostDuty.RETIRED: "too old"}
        host.duty_reason = reasons[duty]
    if duty == HostDuty.ACTIVE and draw.happens(SILENT):
        state.down = True
        host.reachable, host.failed_heartbeats = False, 40 + draw.chance.randrange(4_000)
        host.last_seen_at = host.inventory_at = draw.now - timedelta(seconds=10 * host.failed_heartbeats)
        host.last_error = f"{host.address} does not answer (simulated)."
    if draw.happens(0.01):
        host.mishaps, host.mishap_at = 1 + draw.chance.randrange(3), draw.now - timedelta(minutes=draw.chance.randrange(90))
