"""A small world for each mask of placement in which a request is refused because of it, with counts known beforehand.

Five hosts in two pods: `kelvin`, `rankine` and `celsius` in a pod in Amsterdam, `newton` and `pascal` in one in Utrecht.
Their names are words that occur nowhere else, so that a page or an answer that tells one is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from accelerators.models import Plan
from accelerators.testing.world import World, make_world, number_of_port
from accounts.actor import system
from accounts.services.accounts import open_account
from pods.models import Host, Image, Pod
from pods.placement.explanation import MASKS
from pods.services.enrol import HostWish, NetworkWish, add_host, add_pod
from pods.states import HostDuty, PodState

HOME = ("kelvin", "rankine", "celsius")
AWAY = ("newton", "pascal")
HOSTS = (*HOME, *AWAY)
FACTS: Mapping[str, Any] = {"cpus": 4, "memory_mib": 4608, "disk_gib": 102}  # room for 4 GiB, 100 GiB, 32 processors


@dataclass(frozen=True)
class Case:
    """A world that is ready, what to ask for, and how many hosts each mask then takes away; all others take none."""

    world: World
    wish: Mapping[str, Any]
    counts: Mapping[str, int]

    @property
    def removed(self) -> dict[str, int]:
        """Every mask but the dimensions, as answers show it."""
        return {mask: self.counts.get(mask, 0) for mask in MASKS if mask not in ("excluded", "cpu", "memory", "disk")}

    @property
    def short(self) -> dict[str, int]:
        """The dimensions."""
        return {mask: self.counts.get(mask, 0) for mask in ("cpu", "memory", "disk")}

    @property
    def left(self) -> dict[str, int]:
        """How many hosts are left after each mask, in their order."""
        left, found = len(HOSTS), {}
        for mask in MASKS[1:]:
            left -= self.counts.get(mask, 0)
            found[mask] = left
        return found

    @property
    def secrets(self) -> set[str]:
        """What no customer may read: names, ids and addresses of hosts."""
        rows = Host.objects.values_list("name", "pk", "address")
        return {str(word) for row in rows for word in row}


def build(mask: str) -> Case:
    """The world in which `mask` is why a request is refused."""
    world = _world()
    wish, counts = CASES[mask](world)
    return Case(world, {"name": "wanted", "plan": "zone-256m", "image": world.image.slug, **wish}, counts)


def _world() -> World:
    simulated = f"masks-{uuid4().hex[:8]}"
    world = make_world(hosts=0, pod_name=simulated)
    Pod.objects.filter(pk=world.pod.pk).update(location="Amsterdam")
    away = add_pod(
        actor=system(),
        slug=f"away-{uuid4().hex[:6]}",
        location="Utrecht",
        network=NetworkWish("10.98.0.0/24", gateway="10.98.0.1"),
    )
    for pod, names in ((world.pod, HOME), (away, AWAY)):
        for name in names:
            world.simulated.add_host(name, **FACTS)
            wish = HostWish(
                address=name, port=number_of_port(simulated), name=name, pod=pod, driver="simulated", options={"pod": simulated}
            )  # fmt: skip
            add_host(actor=system(), wish=wish)
    return world


def _plan(**changes: Any) -> None:
    assert Plan.objects.filter(slug="zone-256m").update(**changes) == 1


def _drain(*names: str) -> None:
    assert Host.objects.filter(name__in=names).update(duty=HostDuty.DRAINING) == len(names)


Answer = tuple[Mapping[str, Any], Mapping[str, int]]


def _state(world: World) -> Answer:
    _drain("kelvin", "newton")
    Host.objects.filter(name__in=("rankine", "celsius", "pascal")).update(reachable=False)
    return {}, {"state": 5}


def _pod(world: World) -> Answer:
    _drain("newton")
    Pod.objects.update(state=PodState.DRAINING)
    return {}, {"state": 1, "pod": 4}


def _location(world: World) -> Answer:
    _drain(*AWAY)
    return {"location": "Utrecht"}, {"state": 2, "location": 3}


def _kind(world: World) -> Answer:
    _drain("newton")
    Host.objects.update(kinds=["zone"])
    _plan(kind="vm")
    Image.objects.filter(pk=world.image.pk).update(kind="vm")
    return {}, {"state": 1, "kind": 4}


def _traits(world: World) -> Answer:
    _drain("newton")
    Host.objects.filter(name__in=("newton", "kelvin")).update(traits=["gpu", "old"])
    _plan(required_traits=["gpu"], forbidden_traits=["old"])
    return {}, {"state": 1, "traits": 4}


def _image(world: World) -> Answer:
    _drain("newton")
    Host.objects.filter(name="newton").update(traits=["kernel-6"])
    Image.objects.filter(pk=world.image.pk).update(required_traits=["kernel-6"])
    return {}, {"state": 1, "image": 4}


def _preemptible(world: World) -> Answer:
    _drain("newton")
    Host.objects.filter(name="newton").update(spot="always")
    _plan(preemptible=True)
    return {}, {"state": 1, "preemptible": 4}


def _short(dimension: str, column: str, most: int) -> Callable[[World], Answer]:
    """All but two hosts are short of the dimension, of those one is drained and one short of another dimension."""
    other = "memory" if dimension != "memory" else "disk"
    other_column = {"memory": "memory_mib", "disk": "disk_gib"}[other]

    def prepare(world: World) -> Answer:
        _drain("newton")
        _plan(**{column: most})
        Host.objects.exclude(name="pascal").update(**{f"cap_{'cpu_m' if dimension == 'cpu' else column}": 1})
        Host.objects.filter(name="pascal").update(**{f"cap_{other_column}": 0})
        return {}, {"state": 1, dimension: 3, other: 1}

    return prepare


def _spread(world: World) -> Answer:
    _drain("newton")
    world.create("member", count=4, group="herd", spread="host")
    return {"group": "herd", "spread": "host"}, {"state": 1, "spread": 4}


def _near(world: World) -> Answer:
    created = world.create("friend", group="friends")
    host = created.accelerators[0].host
    assert host is not None
    _drain(host.name)
    return {"near": "friends", "near_policy": "required"}, {"state": 1, "near": 4}


def _exclusive(world: World) -> Answer:
    _drain("newton")
    other = open_account(actor=system(), slug=f"globex-{uuid4().hex[:6]}", name="Globex", owner=world.user)
    Host.objects.update(exclusive_account_id=other.pk)
    return {}, {"state": 1, "exclusive": 4}


def _n_plus_one(world: World) -> Answer:
    """One host in each pod is alone: nobody could take over what it holds."""
    _drain("kelvin", "rankine", "newton")
    Pod.objects.update(n_plus_one=True)
    return {}, {"state": 3, "n_plus_one": 2}


CASES: Mapping[str, Callable[[World], Answer]] = {
    "state": _state, "pod": _pod, "location": _location, "kind": _kind, "traits": _traits, "image": _image,
    "preemptible": _preemptible, "cpu": _short("cpu", "vcpus", 20), "memory": _short("memory", "memory_mib", 3000),
    "disk": _short("disk", "disk_gib", 50), "spread": _spread, "near": _near, "exclusive": _exclusive,
    "n_plus_one": _n_plus_one,
}  # fmt: skip
EVERY = tuple(mask for mask in MASKS if mask != "excluded")
