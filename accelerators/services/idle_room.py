"""The room in which a preemptible accelerator runs: taken anew at each start, and counted as what its host shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accelerators.models import Accelerator
from accelerators.services.preempt import idle
from pods.gear.hypervisor.base import Power
from pods.models import Allocation, Host
from pods.placement.request import Need
from pods.services.spot import count_in, hold_spot, yield_spot

# What a start forgets about an earlier preemption.
RETURNED: dict[str, Any] = {"preempted_at": None, "preempt_at": None, "preempt_reason": ""}


def need_of(accelerator: Accelerator) -> Need:
    """What it uses while it runs."""
    return Need(accelerator.cpu_m, accelerator.memory_mib, accelerator.disk_gib)


def hold_idle_room(accelerator: Accelerator) -> None:
    """Before it starts: a preemptible one takes idle room on its host, unless it holds it already.

    Raises NotLending, NoIdleRoom. The caller holds the accelerator's lock.
    """
    if accelerator.preemptible:
        hold_spot(accelerator.pk, need_of(accelerator))


def match_books(host: Host, powers: Mapping[str, Power], taken_at: datetime) -> None:
    """Preemptible guests that were seen running count, seen stopped they do not; the caller holds the host's lock.

    Only those on which nothing is at work: a guest that was shut down from inside, started by hand, or by its host.
    """
    holding = dict(Allocation.objects.filter(host=host, preemptible=True).values_list("holder_id", "memory_mib"))
    shown = {holder: powers.get(str(holder)) for holder in holding}
    uncounted = [holder for holder, memory_mib in holding.items() if not memory_mib and shown[holder] is Power.RUNNING]
    away = [holder for holder, memory_mib in holding.items() if memory_mib and shown[holder] is Power.STOPPED]
    for row in idle([*uncounted, *away]):
        if row.settled_at >= taken_at:
            continue  # the look is older than what is known
        if shown[row.pk] is Power.RUNNING:
            count_in(row.pk, need_of(row))
        else:
            yield_spot(row.pk)
