"""Room in one pod while it is filled: which machine takes a guest. Not the planner: plausible, and quick for thousands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from accelerators.fleet.catalogue import need_of
from accelerators.fleet.draw import Draw
from accelerators.fleet.machines import Machine, Site
from accelerators.fleet.orders import Group
from accelerators.models import Plan
from pods.models import Image
from pods.states import SpotUse

GUESSES = 12


@dataclass(frozen=True, slots=True)
class Spot:
    """A machine, and the guest's place among the members of its group there."""

    machine: Machine
    group_slot: int | None


class Floor:
    """Fills `used_*`, `spot_*`, `guests` and `next_uid_slot` of the machines' rows."""

    def __init__(self, draw: Draw, site: Site) -> None:
        self._draw = draw
        self._site = site
        self._fitting: dict[tuple[str, frozenset[str], bool], list[Machine]] = {}
        self._members: Counter[tuple[str, str]] = Counter()

    def place(self, plan: Plan, image: Image, account: str, group: Group | None) -> Spot | None:
        """Room for one guest, taken at once; None where there is none."""
        for machine in self._candidates(plan, image, account):
            slot = self._slot(machine, account, group)
            if slot != -1 and _fits(machine, plan):
                _take(machine, plan)
                return Spot(machine, slot)
        return None

    def _candidates(self, plan: Plan, image: Image, account: str) -> Iterator[Machine]:
        """The account's own machines, a few guesses, and then all of them."""
        traits = frozenset(plan.required_traits) | frozenset(image.required_traits)
        key = (plan.kind, traits, plan.preemptible)
        if key not in self._fitting:
            self._fitting[key] = [machine for machine in self._site.holding if _suits(machine, *key)]
        fitting = self._fitting[key]
        if not fitting:
            return
        guesses = (self._draw.one(fitting) for _ in range(GUESSES))
        for machine in chain(self._owned(fitting, account), guesses, fitting):
            if _open_to(machine, account):
                yield machine

    def _owned(self, fitting: list[Machine], account: str) -> list[Machine]:
        """Most machines belong to nobody, so asking is cheap where the pod has none."""
        if account not in self._site.owners:
            return []
        return [machine for machine in fitting if str(machine.host.exclusive_account_id) == account]

    def _slot(self, machine: Machine, account: str, group: Group | None) -> int | None:
        """The next place of the group there; None without one, -1 where it is full."""
        if group is None or group.policy == "preferred":
            return None
        where = machine.host.name if group.spread == "host" else self._site.pod.slug
        key = (f"{account}:{group.name}", where)
        if self._members[key] >= group.limit:
            return -1
        return self._members[key]

    def joined(self, spot: Spot, account: str, group: Group | None) -> None:
        """Count a member that was placed."""
        if group is not None:
            where = spot.machine.host.name if group.spread == "host" else self._site.pod.slug
            self._members[(f"{account}:{group.name}", where)] += 1


def _suits(machine: Machine, kind: str, traits: frozenset[str], preemptible: bool) -> bool:
    host = machine.host
    lends = not preemptible or host.spot != SpotUse.NEVER
    return kind in host.kinds and traits <= set(host.traits) and lends


def _open_to(machine: Machine, account: str) -> bool:
    owner = machine.host.exclusive_account_id
    return owner is None or str(owner) == account


def _fits(machine: Machine, plan: Plan) -> bool:
    host, need = machine.host, need_of(plan)
    return (
        host.used_cpu_m + host.spot_cpu_m + need.cpu_m <= host.cap_cpu_m
        and host.used_memory_mib + host.spot_memory_mib + need.memory_mib <= host.cap_memory_mib
        and host.used_disk_gib + need.disk_gib <= host.cap_disk_gib
    )


def _take(machine: Machine, plan: Plan) -> None:
    host, need = machine.host, need_of(plan)
    if plan.preemptible:
        host.spot_cpu_m += need.cpu_m
        host.spot_memory_mib += need.memory_mib
    else:
        host.used_cpu_m += need.cpu_m
        host.used_memory_mib += need.memory_mib
    host.used_disk_gib += need.disk_gib
    host.guests += 1
    host.next_uid_slot += 1


def leave_idle_room(machine: Machine, plan: Plan) -> None:
    """Give processor and memory of a preemptible guest back; its disk stays."""
    machine.host.spot_cpu_m -= need_of(plan).cpu_m
    machine.host.spot_memory_mib -= need_of(plan).memory_mib
