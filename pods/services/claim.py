"""The claim: promise hosts' capacity to guests, exactly. Nothing here can oversell, whatever races.

First a plan on the fleet as this process knows it, and one conditional UPDATE of the best host that nobody holds (SKIP
LOCKED): the database judges the row again as it is by then. If that misses, plans on fresh reads follow, each waiting for
the hosts it chose; the last one locks all rows before it plans. A "no" is said only of a fresh read that shows no room, or
under those locks. Groups keep apart by unique places, N+1 by a lock on the pod.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, QuerySet

from pods.errors import CapacityExhausted, PlacementContended
from pods.models import Allocation, Pod
from pods.placement.explanation import Decision, Explanation, reasons
from pods.placement.planner import plan
from pods.placement.request import Fleet, Need, PlacementRequest
from pods.services.fleet import load_fleet
from pods.services.fleet_cache import fleet_cache
from pods.services.room import UID_SLOTS, Place, Snatched, give_back, take_best, take_from
from pods.services.weights import placement_weights

__all__ = ["UID_SLOTS", "Claimed", "claim", "company", "explained", "no_room", "release", "take_from"]

# Fresh plans that wait for the hosts they chose, before all rows are locked.
TRIES = 6


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was promised, why there, and on which hosts preemptible guests must leave before the guests can start."""

    allocations: list[Allocation]
    explanation: Explanation
    displaced: frozenset[UUID] = frozenset()


def claim(
    request: PlacementRequest,
    *,
    holders: Sequence[UUID],
    account_id: UUID,
    group: str = "",
    near: str = "",
    partial: bool = False,
) -> Claimed:
    """Allocate a host to each holder inside the caller's transaction: all or none, or with `partial` as many as fit.

    Repeatable: holders that have their allocations already get the same ones. `near` names the group to be near to.
    Raises CapacityExhausted (with the reasons) or PlacementContended.
    """
    assert connection.in_atomic_block, "a claim belongs to the transaction that writes the wish"
    assert len(holders) == request.count
    return _Claim(replace(request, account=str(account_id)), holders, account_id, group, near, partial).carry_out()


def _known(holders: Sequence[UUID]) -> Claimed | None:
    rows = {row.holder_id: row for row in Allocation.objects.filter(holder_id__in=holders)}
    if not rows:
        return None
    found = [rows[holder] for holder in holders if holder in rows]
    return Claimed(found, Explanation(evaluated=0, removed={}, short={}, asked=len(holders), placed=len(found)))


@dataclass
class _Claim:
    """One claim in the making."""

    request: PlacementRequest
    holders: Sequence[UUID]
    account_id: UUID
    group: str
    near: str
    partial: bool
    seen: Explanation | None = None  # of the last plan, for who is told that others were quicker

    def carry_out(self) -> Claimed:
        """Turn 0 plans on what this process knows, the last one under locks; a "no" needs a fresh read at least."""
        for turn in range(TRIES + 1):
            try:
                with transaction.atomic():
                    return self._try(turn)
            except (Snatched, CapacityExhausted) as missed:  # perhaps because it was claimed already
                known = _known(self.holders)
                if known is not None:
                    return known
                if isinstance(missed, CapacityExhausted):
                    raise
        context = explained(self.seen) if self.seen else {}
        raise PlacementContended("Others took the room while it was being claimed; ask again.", context=context)

    def _try(self, turn: int) -> Claimed:
        fresh = turn > 0 or not fleet_cache.keeps
        if fresh:
            self._hold_guarded_pods()
            fleet = load_fleet(lock=turn == TRIES, pod=self.request.pod)
        else:
            fleet = fleet_cache.get(pod=self.request.pod)
        decision = self._decide(fleet)
        if not self._enough(decision):
            if fresh:
                raise no_room(self.request, decision.explanation)
            raise Snatched
        if fresh:
            return self._take(decision)
        return self._take_first(decision, fleet)

    def _decide(self, fleet: Fleet) -> Decision:
        """The group is read after the locks: a member that joined while we waited for them is seen."""
        request = replace(self.request, **company(self.account_id, self.group, self.near))
        decision = plan(request, fleet, weights=placement_weights())
        self.seen = decision.explanation
        return decision

    def _enough(self, decision: Decision) -> bool:
        return len(decision.hosts) == self.request.count or (self.partial and bool(decision.hosts))

    def _take_first(self, decision: Decision, fleet: Fleet) -> Claimed:
        """One guest: the best host that nobody holds. Pods that ask for N+1 want their lock first. Raises Snatched."""
        if any(fleet.pods[int(fleet.pod[fleet.rows[host]])].n_plus_one for host in decision.hosts):
            raise Snatched
        if self.request.count > 1 or decision.displaced:
            return self._take(decision)
        place = take_best(self.request, decision.candidates, self.account_id)
        if place is None:
            raise Snatched
        return Claimed(self._write([place], decision), decision.explanation)

    def _hold_guarded_pods(self) -> None:
        """Pods that ask for N+1 take one claim at a time: two arrivals may each be harmless and together not."""
        pods = Pod.objects.filter(n_plus_one=True)
        if self.request.pod is not None:
            pods = pods.filter(slug=self.request.pod)
        list(pods.select_for_update(no_key=True).order_by("pk").values_list("pk"))

    def _take(self, decision: Decision) -> Claimed:
        """Hosts in id order: no deadlock."""
        taken: dict[str, list[Place]] = {}
        for host, number in sorted(Counter(decision.hosts).items()):
            displacing = host in decision.displaced
            taken[host] = take_from(UUID(host), self.request, number, self.account_id, displacing=displacing)
        places = [taken[host].pop() for host in decision.hosts]
        rows = self._write(places, decision)
        return Claimed(rows, decision.explanation, frozenset(UUID(host) for host in decision.displaced))

    def _write(self, places: Sequence[Place], decision: Decision) -> list[Allocation]:
        slots = self._group_slots(places)
        rows = [self._row(holder, place, slot) for holder, place, slot in zip(self.holders, places, slots, strict=False)]
        try:
            return Allocation.objects.bulk_create(rows)
        except IntegrityError as exc:
            raise Snatched from exc

    def _row(self, holder: UUID, place: Place, slot: int | None) -> Allocation:
        request = self.request
        return Allocation(
            holder_id=holder, account_id=self.account_id, host_id=place.host_id, pod_id=place.pod_id, uid_slot=place.uid_slot,
            cpu_m=request.need.cpu_m, memory_mib=request.need.memory_mib, disk_gib=request.need.disk_gib, kind=request.kind,
            image_id=UUID(request.image) if request.image else None, preemptible=request.preemptible,
            required_traits=sorted(request.required | request.image_traits), forbidden_traits=sorted(request.forbidden),
            group=self.group, spread=request.spread if self.group else "none", group_limit=request.spread_limit,
            group_soft=request.spread_soft, group_slot=slot,
        )  # fmt: skip

    def _group_slots(self, places: Sequence[Place]) -> list[int | None]:
        """A place of the group on each host (or in each pod); the database refuses one that is taken by then."""
        spread = self.request.spread
        if not self.group or spread == "none" or self.request.spread_soft:
            return [None] * len(places)
        field = "host_id" if spread == "host" else "pod_id"
        rows = Allocation.objects.filter(group=self.group, group_slot__isnull=False).values_list(field, "group_slot")
        used = set(rows)
        slots: list[int | None] = []
        for place in places:
            where = place.host_id if spread == "host" else place.pod_id
            slot = next((n for n in range(self.request.spread_limit) if (where, n) not in used), None)
            if slot is None:
                raise Snatched
            used.add((where, slot))
            slots.append(slot)
        return slots


def company(account_id: UUID, group: str, near: str) -> dict[str, Any]:
    """Fields of a request: where the group's members, the group to be near to, and the account's other guests are."""
    fields: dict[str, Any] = {"neighbours": _by_host(Allocation.objects.filter(account_id=account_id))}
    if group:
        fields["members"] = _by_host(Allocation.objects.filter(group=group))
    if near:
        fields["near"] = frozenset(_by_host(Allocation.objects.filter(group=near)))
    return fields


def _by_host(rows: QuerySet[Allocation]) -> dict[str, int]:
    counted = rows.order_by().values_list("host_id").annotate(n=Count("id"))
    return {str(host): number for host, number in counted}


def release(holder_id: UUID) -> bool:
    """Give a guest's capacity back; repeatable. Only once the host is proven clean of it."""
    with transaction.atomic():
        row = Allocation.objects.select_for_update().filter(holder_id=holder_id).first()
        if row is None:
            return False
        row.delete()
        give_back(row.host_id, Need(row.cpu_m, row.memory_mib, row.disk_gib), preemptible=row.preemptible)
    return True


def no_room(request: PlacementRequest, explanation: Explanation) -> CapacityExhausted:
    """The refusal, in the customer's words: what was short, on how many hosts, and what would help."""
    why = ", ".join(reasons(explanation, request.kind))
    where = f"pod {request.pod}" if request.pod else "any pod"
    have = f"room for {explanation.placed} of {request.count}" if explanation.placed else "no room"
    advice = "; ".join(explanation.advice) or "ask the operator for hosts"
    return CapacityExhausted(
        f"There is {have} in {where}: of {explanation.evaluated} hosts, {why or 'none is enrolled'}. "
        f"{advice[0].upper()}{advice[1:]}{'; or ask for fewer' if explanation.placed else ''}.",
        context=explained(explanation),
    )


def explained(explanation: Explanation) -> dict[str, Any]:
    """The context of a refusal: `placement` is for customers, `operator` never leaves the house."""
    return {"placement": explanation.for_customer(), "operator": explanation.for_operator()}
