"""Room on one host: taken by conditional UPDATEs that judge the row as it is, and given back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models import F, Q

from pods.models import Allocation, Host, Pod
from pods.placement.request import Need, PlacementRequest
from pods.states import HostDuty, PodState

# Above this, slots start over: the billion ids that a host delegates (docs/lab.md) hold 15,258 ranges.
UID_SLOTS = 15_000


class Snatched(Exception):
    """Somebody else took the room, or the group's place, between plan and claim."""


@dataclass(frozen=True, slots=True)
class Place:
    """Room for one guest, and its own range of user ids there."""

    host_id: UUID
    pod_id: UUID
    uid_slot: int


# The best of the candidates that still fits and that nobody holds. One round trip; waits for nobody.
TAKE_BEST = """
WITH pick AS (
    SELECT h.id FROM pods_host h
    JOIN unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted(id, place) ON wanted.id = h.id
    JOIN pods_pod p ON p.id = h.pod_id AND p.state = 'open'
    WHERE h.duty = 'active' AND h.reachable
      AND (h.exclusive_account_id IS NULL OR h.exclusive_account_id = %(account)s)
      AND h.kinds @> %(kind)s::jsonb AND h.traits @> %(required)s::jsonb
      AND NOT (h.traits ?| %(forbidden)s::text[])
      AND h.used_cpu_m + h.spot_cpu_m + %(cpu)s <= h.cap_cpu_m
      AND h.used_memory_mib + h.spot_memory_mib + %(memory)s <= h.cap_memory_mib
      AND h.used_disk_gib + %(disk)s <= h.cap_disk_gib
    ORDER BY wanted.place LIMIT 1
    FOR UPDATE OF h SKIP LOCKED
)
UPDATE pods_host h SET
    used_cpu_m = h.used_cpu_m + %(firm_cpu)s, used_memory_mib = h.used_memory_mib + %(firm_memory)s,
    spot_cpu_m = h.spot_cpu_m + %(spot_cpu)s, spot_memory_mib = h.spot_memory_mib + %(spot_memory)s,
    used_disk_gib = h.used_disk_gib + %(disk)s, guests = h.guests + 1, next_uid_slot = h.next_uid_slot + 1
FROM pick WHERE h.id = pick.id
RETURNING h.id, h.pod_id, h.next_uid_slot
"""


def take_best(request: PlacementRequest, candidates: Sequence[str], account_id: UUID) -> Place | None:
    """Room for one guest on the first of the candidates that has it, or None. PostgreSQL only."""
    need, spot = request.need, request.preemptible
    values: dict[str, Any] = {
        "ids": list(candidates), "account": account_id, "kind": json.dumps([request.kind]),
        "required": json.dumps(sorted(request.required | request.image_traits)), "forbidden": sorted(request.forbidden),
        "cpu": need.cpu_m, "memory": need.memory_mib, "disk": need.disk_gib,
        "firm_cpu": 0 if spot else need.cpu_m, "firm_memory": 0 if spot else need.memory_mib,
        "spot_cpu": need.cpu_m if spot else 0, "spot_memory": need.memory_mib if spot else 0,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BEST, values)
        row = cursor.fetchone()
    if row is None:
        return None
    return Place(row[0], row[1], _unused_slots(row[0], row[2] - 1, 1)[0])


def take_from(host_id: UUID, request: PlacementRequest, n: int, account_id: UUID, *, displacing: bool = False) -> list[Place]:
    """Room for n guests on one host, waiting for whoever holds its row. Raises Snatched where it does not fit any more.

    `displacing` counts the room of preemptible guests as free: whoever asks for that sees to it that they leave.
    """
    need, spot = request.need, request.preemptible
    yielding = 0 if displacing else 1
    rows = Host.objects.filter(
        Q(exclusive_account_id__isnull=True) | Q(exclusive_account_id=account_id),
        pk=host_id,
        duty=HostDuty.ACTIVE,
        reachable=True,
        # Not as a join: the conditions on the host would move into a sub-query, which is not judged again after a wait.
        pod_id__in=Pod.objects.filter(state=PodState.OPEN).values("pk"),
        used_cpu_m__lte=F("cap_cpu_m") - n * need.cpu_m - yielding * F("spot_cpu_m"),
        used_memory_mib__lte=F("cap_memory_mib") - n * need.memory_mib - yielding * F("spot_memory_mib"),
        used_disk_gib__lte=F("cap_disk_gib") - n * need.disk_gib,
    )
    try:
        taken = rows.update(**_changed(need, n, preemptible=spot), next_uid_slot=F("next_uid_slot") + n)
    except IntegrityError as exc:  # the last fence: a host is never promised beyond what it has
        raise Snatched from exc
    if not taken:
        raise Snatched
    pod_id, upto = Host.objects.values_list("pod_id", "next_uid_slot").get(pk=host_id)
    return [Place(host_id, pod_id, slot) for slot in reversed(_unused_slots(host_id, upto - n, n))]


def give_back(host_id: UUID, need: Need, *, preemptible: bool) -> None:
    """One guest less on a host."""
    Host.objects.filter(pk=host_id).update(**_changed(need, -1, preemptible=preemptible))


def _changed(need: Need, n: int, *, preemptible: bool) -> dict[str, Any]:
    """n guests more, as column expressions; a preemptible guest's disk is held like anybody's."""
    side = "spot" if preemptible else "used"
    return {
        f"{side}_cpu_m": F(f"{side}_cpu_m") + n * need.cpu_m,
        f"{side}_memory_mib": F(f"{side}_memory_mib") + n * need.memory_mib,
        "used_disk_gib": F("used_disk_gib") + n * need.disk_gib,
        "guests": F("guests") + n,
    }


def _unused_slots(host_id: UUID, start: int, n: int) -> list[int]:
    """The next n slots that no guest of the host has, counting on from `start` and round."""
    if start + n <= UID_SLOTS:  # the first time round none can be in use
        return list(range(start, start + n))
    in_use = set(Allocation.objects.filter(host_id=host_id).values_list("uid_slot", flat=True))
    slots: list[int] = []
    candidate = start
    while len(slots) < n:
        slot = candidate % UID_SLOTS
        if slot not in in_use and slot not in slots:
            slots.append(slot)
        candidate += 1
    return slots
