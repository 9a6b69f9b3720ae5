"""The machines of the demonstration: the pod in a box where this machine can run it, simulated hosts where it cannot."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from demo.errors import DemoError
from demo.places import Places
from lab import requirements
from lab.errors import LabError
from lab.pod import Pod as LabPod

HOSTS = 2
# Sparse files: they take room only as they fill. Enough for two dozen of the smallest plan on two hosts.
STORE_GIB = 120


@dataclass(frozen=True, slots=True)
class Machine:
    """One host to enrol."""

    name: str
    address: str
    driver: str
    host_key: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands, ready to be enrolled. `simulated` holds the reason where it is."""

    pod: str
    cidr: str
    gateway: str
    range_first: str
    range_last: str
    machines: tuple[Machine, ...]
    ssh_key: str = ""
    resolvers: tuple[str, ...] = ()
    simulated: str = ""


def prepare(places: Places, *, simulate: bool = False) -> Ground:
    """Bring the machines up. Raises DemoError when the pod in a box ought to run here and does not."""
    why = "it was asked for (SIMULATE=1)" if simulate else requirements.reason()
    return _simulated(places, why) if why else _lab(places)


def _lab(places: Places) -> Ground:
    try:
        pod = _up(places)
    except LabError as error:
        raise DemoError(
            f"The pod in a box did not come up: {error}",
            f"Try `make down`, then `make up`; or `make up SIMULATE=1` for a simulated pod. Its name is {places.lab_name}.",
        ) from error
    first, last = pod.guest_pool
    return Ground(
        pod="box", cidr=str(pod.subnet), gateway=str(pod.gateway), range_first=str(first), range_last=str(last),
        machines=tuple(Machine(host.name, host.address, "lxc", host.host_key) for host in pod.hosts),
        ssh_key=pod.ssh_key_path.read_text(), resolvers=pod.resolvers,
    )  # fmt: skip


def _up(places: Places) -> LabPod:
    """In our own range if the machine leaves it free; any other way in one that the lab chooses."""
    subnet = ipaddress.IPv4Network(places.lab_subnet)
    try:
        return LabPod.up(places.lab_name, hosts=HOSTS, subnet=subnet, store_gib=STORE_GIB, state_dir=places.lab)
    except LabError as error:
        if "already uses" not in str(error):
            raise
    return LabPod.up(places.lab_name, hosts=HOSTS, store_gib=STORE_GIB, state_dir=places.lab)


def _simulated(places: Places, why: str) -> Ground:
    from pods.gear.simulated import SimulatedPod

    pod = SimulatedPod.named(str(places.simulated))
    for number in range(1, HOSTS + 1):
        pod.add_host(f"sim{number}")
    machines = tuple(Machine(host.name, host.name, "simulated", options={"pod": str(places.simulated)}) for host in pod.hosts())
    return Ground(
        pod="sim", cidr="10.79.0.0/24", gateway="10.79.0.1", range_first="10.79.0.16", range_last="10.79.0.254",
        machines=machines, simulated=why,
    )  # fmt: skip


def put_away(places: Places, *, forget: bool) -> None:
    """Take the pod in a box down; its disks are kept unless `forget`. Repeatable, also where there never was one."""
    if not places.lab.exists():
        return
    try:
        LabPod.down(places.lab_name, state_dir=places.lab, keep=not forget)
    except LabError as error:
        raise DemoError(f"The pod in a box could not be taken down: {error}", "Run `make down` again as root.") from error
