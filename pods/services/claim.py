"""The claim: promise hosts' capacity to guests, exactly. Nothing here can oversell, whatever races.

First round: plan on a plain read, then take each chosen host with one conditional UPDATE (`used + want <= cap`, still
taking guests); the database re-checks the condition on the row as it is by then. If any host was snatched away, the round
is rolled back and the second one locks the candidate rows before it plans, so its answer, also a "no", is final.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from pods.errors import CapacityExhausted, PlacementContended
from pods.models import Allocation, Host
from pods.placement.planner import plan
from pods.placement.request import Decision, Explanation, Need, PlacementRequest
from pods.services.fleet import load_fleet
from pods.states import HostDuty

# Above this, slots start over: the billion ids that a host delegates (docs/lab.md) hold 15,258 ranges.
UID_SLOTS = 15_000


class _Snatched(Exception):
    """Somebody else took the room, or the group's slot, between plan and claim."""


def claim(
    request: PlacementRequest, *, holders: Sequence[UUID], account_id: UUID, group: str = ""
) -> tuple[list[Allocation], Explanation]:
    """Allocate a host to each holder, all or none, inside the caller's transaction.

    Raises CapacityExhausted (with the reasons) or PlacementContended.
    """
    assert connection.in_atomic_block, "a claim belongs to the transaction that writes the wish"
    assert len(holders) == request.count
    for lock in (False, True):
        try:
            with transaction.atomic():
                fleet = load_fleet(lock=lock, pod=request.pod)
                # The group is read after the locks: a member that joined while we waited for them is seen.
                decision = plan(_with_group(request, group), fleet)
                if len(decision.hosts) == request.count:
                    return _take(request, decision, holders, account_id, group), decision.explanation
        except _Snatched:
            continue
        if lock:
            raise no_room(request, decision.explanation)
    raise PlacementContended("Others took the room while it was being claimed; ask again.")


def _with_group(request: PlacementRequest, group: str) -> PlacementRequest:
    if not group or request.spread == "none":
        return request
    members = list(Allocation.objects.filter(group=group).values_list("host_id", "pod__slug"))
    return replace(
        request,
        taken_hosts=frozenset(str(host) for host, _ in members),
        taken_pods=frozenset(pod for _, pod in members),
    )


def _take(
    request: PlacementRequest, decision: Decision, holders: Sequence[UUID], account_id: UUID, group: str
) -> list[Allocation]:
    slots = {host: _take_from(UUID(host), request.need, n) for host, n in sorted(Counter(decision.hosts).items())}
    rows = []
    for holder, host in zip(holders, decision.hosts, strict=True):
        pod_id, free = slots[host]
        rows.append(
            Allocation(
                holder_id=holder,
                account_id=account_id,
                host_id=UUID(host),
                pod_id=pod_id,
                uid_slot=free.pop(),
                cpu_m=request.need.cpu_m,
                memory_mib=request.need.memory_mib,
                disk_gib=request.need.disk_gib,
                group=group,
                spread=request.spread if group else "none",
            )
        )
    try:
        with transaction.atomic():
            return Allocation.objects.bulk_create(rows)
    except IntegrityError as exc:
        raise _Snatched from exc


def _take_from(host_id: UUID, need: Need, n: int) -> tuple[UUID, list[int]]:
    """Add n guests to a host's use; answers its pod and n unused uid slots. Hosts come in id order: no deadlock."""
    taken = Host.objects.filter(
        pk=host_id,
        duty=HostDuty.ACTIVE,
        reachable=True,
        used_cpu_m__lte=F("cap_cpu_m") - n * need.cpu_m,
        used_memory_mib__lte=F("cap_memory_mib") - n * need.memory_mib,
        used_disk_gib__lte=F("cap_disk_gib") - n * need.disk_gib,
    ).update(
        used_cpu_m=F("used_cpu_m") + n * need.cpu_m,
        used_memory_mib=F("used_memory_mib") + n * need.memory_mib,
        used_disk_gib=F("used_disk_gib") + n * need.disk_gib,
        guests=F("guests") + n,
        next_uid_slot=F("next_uid_slot") + n,
    )
    if not taken:
        raise _Snatched
    pod_id, upto = Host.objects.values_list("pod_id", "next_uid_slot").get(pk=host_id)
    return pod_id, _unused_slots(host_id, upto - n, n)


def _unused_slots(host_id: UUID, start: int, n: int) -> list[int]:
    """The next n slots that no guest of the host has, counting on from `start` and round."""
    in_use = set(Allocation.objects.filter(host_id=host_id).values_list("uid_slot", flat=True))
    slots: list[int] = []
    candidate = start
    while len(slots) < n:
        slot = candidate % UID_SLOTS
        if slot not in in_use and slot not in slots:
            slots.append(slot)
        candidate += 1
    return slots


def release(holder_id: UUID) -> bool:
    """Give a guest's capacity back; repeatable. Only once the host is proven clean of it."""
    with transaction.atomic():
        row = Allocation.objects.select_for_update().filter(holder_id=holder_id).first()
        if row is None:
            return False
        row.delete()
        Host.objects.filter(pk=row.host_id).update(
            used_cpu_m=F("used_cpu_m") - row.cpu_m,
            used_memory_mib=F("used_memory_mib") - row.memory_mib,
            used_disk_gib=F("used_disk_gib") - row.disk_gib,
            guests=F("guests") - 1,
        )
    return True


def no_room(request: PlacementRequest, explanation: Explanation) -> CapacityExhausted:
    """The refusal, in the customer's words: what was short, on how many hosts, and what would help."""
    reasons = [f"{n} short of {what}" for what, n in explanation.short.items() if n]
    words = {"state": "not taking guests", "pod": "in other or closed pods", "kind": f"not for {request.kind}s"}
    words["spread"] = "already used by the group"
    reasons += [f"{n} {words[mask]}" for mask, n in explanation.removed.items() if n]
    where = f"pod {request.pod}" if request.pod else "any pod"
    have = f"room for {explanation.placed} of {request.count}" if explanation.placed else "no room"
    return CapacityExhausted(
        f"There is {have} in {where}: of {explanation.evaluated} hosts, {', '.join(reasons) or 'none is enrolled'}. "
        "Choose a smaller plan, fewer accelerators, another pod, or drop the spread.",
        context={"placement": explanation.for_customer(), "operator": explanation.for_operator()},
    )
