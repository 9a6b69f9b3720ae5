"""Read the fleet and plan moves on it: for an evacuation, a rebalance, or one guest that found its place taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import Q, QuerySet

from pods.models import Allocation, Host, Pod
from pods.placement.moves import MovePlan, Pace, Stuck, plan_evacuation, plan_rebalance
from pods.placement.request import Fleet, Guest
from pods.placement.shares import shares
from pods.services.fleet import guests_of, load_fleet
from pods.services.residents import Resident, describe
from pods.services.weights import placement_weights

# Hosts shown in a picture of before and after.
PICTURED = 60


@dataclass(frozen=True, slots=True)
class Drawn:
    """A plan, with the fleet whose rows it speaks of and who the guests are."""

    fleet: Fleet
    plan: MovePlan
    residents: dict[UUID, Resident]

    def host_id(self, row: int) -> UUID:
        """The host that a row stands for."""
        return UUID(self.fleet.ids[row])


def pace_of(parallel: int) -> Pace:
    """How quickly moves go here."""
    at_once = settings.MOVES_PER_HOST
    return Pace(mib_per_s=settings.MOVE_MIB_PER_S, parallel=parallel, per_source=at_once, per_target=at_once)


def draw_evacuation(host: Host, *, parallel: int) -> Drawn:
    """Where the host's guests would go. `host.pod` is read. A fixed number of queries, whatever the fleet."""
    fleet = _fleet(host.pod, host.driver)
    here = Allocation.objects.filter(host=host)
    groups = list(here.exclude(group="").values_list("group", flat=True).distinct())
    accounts = list(here.values_list("account_id", flat=True).distinct())
    company = Allocation.objects.filter(pod=host.pod).filter(Q(host=host) | Q(group__in=groups) | Q(account_id__in=accounts))
    guests, residents, blocked = _guests(fleet, company, host)
    rows = [fleet.rows[str(host.pk)]] if str(host.pk) in fleet.rows else []
    plan = plan_evacuation(fleet, guests, rows, placement_weights(), blocked=blocked, pace=pace_of(parallel))
    return Drawn(fleet, plan, residents)


def draw_rebalance(pod: Pod, *, minimum_gain: float, parallel: int) -> Drawn:
    """Moves that make the pod more even, among the hosts of the driver that most of them have."""
    drivers = list(Host.objects.filter(pod=pod, duty="active").values_list("driver", flat=True))
    fleet = _fleet(pod, max(sorted(set(drivers)), key=drivers.count, default=""))
    guests, residents, blocked = _guests(fleet, Allocation.objects.filter(pod=pod), None)
    plan = plan_rebalance(fleet, guests, minimum_gain, blocked=blocked, pace=pace_of(parallel))
    return Drawn(fleet, plan, residents)


def _fleet(pod: Pod, driver: str) -> Fleet:
    """The pod's hosts, of which only those of one driver can receive: a guest's copy is its driver's own."""
    fleet = load_fleet(pod=pod.slug)
    alike = {str(pk) for pk in Host.objects.filter(pod=pod, driver=driver).values_list("pk", flat=True)}
    return replace(fleet, accepting=fleet.accepting & np.array([one in alike for one in fleet.ids], dtype=np.bool_))


def _guests(
    fleet: Fleet, company: QuerySet[Allocation], host: Host | None
) -> tuple[Sequence[Guest], dict[UUID, Resident], dict[str, str]]:
    """The guests by name, who they are, and why some of those on `host` (None: of all) cannot be moved now."""
    guests = guests_of(fleet, company)
    asked = [UUID(one.id) for one in guests if host is None or fleet.ids[one.host] == str(host.pk)]
    residents = describe(asked)
    blocked = {str(pk): residents[pk].blocked for pk in asked if pk in residents and residents[pk].blocked}
    strangers = {str(pk): "Its room is held by a move that has not ended yet." for pk in asked if pk not in residents}
    named = [
        replace(one, name=residents[UUID(one.id)].name) if UUID(one.id) in residents else one
        for one in guests
    ]  # fmt: skip
    return named, residents, blocked | strangers


def picture_of(drawn: Drawn) -> list[dict[str, Any]]:
    """How full each host that changes is before and after, in percent of each dimension; those that change most."""
    before, after = (np.rint(shares(drawn.fleet, load) * 100) for load in (drawn.plan.before, drawn.plan.after))
    change = np.abs(after - before).sum(axis=1)
    rows = [int(row) for row in np.argsort(-change, kind="stable")[:PICTURED] if change[row] > 0]
    return [
        {"host": drawn.fleet.names[row], **{
            name: [int(before[row][index]), int(after[row][index])] for index, name in enumerate(("cpu", "memory", "disk"))
        }}
        for row in sorted(rows, key=lambda row: drawn.fleet.names[row])
    ]  # fmt: skip


def why_stuck(drawn: Drawn, holder_id: UUID) -> str:
    """Why a guest stays, if it does."""
    found: Stuck | None = next((one for one in drawn.plan.stuck if one.guest.id == str(holder_id)), None)
    return found.reason if found else ""


def target_for(drawn: Drawn, holder_id: UUID) -> UUID | None:
    """Where the plan puts one guest."""
    return next((drawn.host_id(move.target) for move in drawn.plan.moves if move.guest.id == str(holder_id)), None)
