"""What tests of the claim share: small guests, and pods that hold a known number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from mcp.ids import new_id
from pods.gear.simulated import SimulatedPod
from pods.models import Allocation, Host, Pod
from pods.placement.request import DIMENSIONS, Need, PlacementRequest
from pods.services.claim import claim
from pods.testing import make_pod

NEED = Need(cpu_m=100, memory_mib=256, disk_gib=1)
OWNER = new_id()


def pod_for(guests: int, *, hosts: int = 1, slug: str = "full1") -> Pod:
    """A pod whose hosts hold that many of NEED each; memory is what runs out."""
    SimulatedPod.forget(slug)  # of a test before
    return make_pod(slug, hosts, memory_mib=512 + guests * NEED.memory_mib)


def take(count: int = 1, *, holders: Sequence[UUID] = (), group: str = "", need: Need = NEED, **wish: Any) -> list[Allocation]:
    """Claim in a transaction of its own."""
    request = PlacementRequest(need=need, kind="zone", count=count, **wish)
    with transaction.atomic():
        return claim(request, holders=holders or [new_id() for _ in range(count)], account_id=OWNER, group=group).allocations


def wrong() -> list[str]:
    """What must never be: sums that differ, promises above what there is, two guests with one uid range."""
    faults = []
    for host in Host.objects.prefetch_related("allocations"):
        rows = list(host.allocations.all())
        sums = [sum(getattr(row, name) for row in rows) for name in DIMENSIONS]
        if [len(rows), *sums] != [host.guests, host.used_cpu_m, host.used_memory_mib, host.used_disk_gib]:
            faults.append(f"{host.name}: {len(rows)} allocations of {sums} are not what it records")
        if (
            host.used_memory_mib > host.cap_memory_mib
            or host.used_cpu_m > host.cap_cpu_m
            or host.used_disk_gib > host.cap_disk_gib
        ):
            faults.append(f"{host.name} is oversold")
        if len({row.uid_slot for row in rows}) != len(rows):
            faults.append(f"{host.name}: a uid range is used twice")
    return faults
