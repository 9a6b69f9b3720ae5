"""The room of preemptible guests: held only while they may run, on top of what is promised firmly, and given back first.

A preemptible guest's allocation holds its disk always, its processor and memory only while it may run: both are 0 otherwise.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from pods.errors import NoIdleRoom, NotLending
from pods.models import Allocation, Host
from pods.placement.request import Need
from pods.services.lending import Schedule, schedule_of
from pods.states import HostDuty

SIDES = ("cpu_m", "memory_mib")
# Hosts that hold more than they may, as a condition.
OVERFULL = Q(used_cpu_m__gt=F("cap_cpu_m") - F("spot_cpu_m")) | Q(used_memory_mib__gt=F("cap_memory_mib") - F("spot_memory_mib"))


def holds_spot(holder_id: UUID) -> bool:
    """Whether a preemptible guest may run just now, as far as the books go."""
    return Allocation.objects.filter(holder_id=holder_id, preemptible=True, memory_mib__gt=0).exists()


def hold_spot(holder_id: UUID, need: Need) -> bool:
    """Take idle room on a preemptible guest's own host, inside the caller's transaction; repeatable.

    False for a guest that is not preemptible or holds its room already. Raises NotLending (and says when the host lends
    again) or NoIdleRoom. Locks the allocation, then the host.
    """
    row = Allocation.objects.select_for_update().filter(holder_id=holder_id, preemptible=True, memory_mib=0).first()
    if row is None:
        return False
    host = Host.objects.select_for_update(of=("self",), no_key=True).select_related("pod").get(pk=row.host_id)
    _demand_lent(host, timezone.now())
    _demand_room(host, need)
    _count(row, need)
    return True


def count_in(holder_id: UUID, need: Need) -> bool:
    """Write down that a guest runs although it held no room; whoever sees the host overfull sends guests away.

    For what was seen on the host: the caller holds the host's lock, and nothing is at work on the guest.
    """
    row = Allocation.objects.filter(holder_id=holder_id, preemptible=True, memory_mib=0).first()
    if row is not None:
        _count(row, need)
    return row is not None


def yield_spot(holder_id: UUID) -> bool:
    """Give a stopped guest's processor and memory back; its disk stays. Repeatable; False where nothing was held."""
    row = Allocation.objects.select_for_update().filter(holder_id=holder_id, preemptible=True, memory_mib__gt=0).first()
    if row is None:
        return False
    _move(row.host_id, Need(-row.cpu_m, -row.memory_mib, 0))
    Allocation.objects.filter(pk=row.pk).update(cpu_m=0, memory_mib=0)
    return True


def overfull(host_id: UUID) -> tuple[int, int]:
    """By how many thousandths of a processor and MiB firm promises and preemptible guests exceed what a host may hold."""
    lack = {side: F(f"used_{side}") + F(f"spot_{side}") - F(f"cap_{side}") for side in SIDES}
    cpu_m, memory_mib = Host.objects.values_list(*lack.values()).get(pk=host_id)
    return max(0, cpu_m), max(0, memory_mib)


def must_give_back(schedule: Schedule, now: datetime) -> bool:
    """Whether guests must be told now, so that they are gone when the host stops lending."""
    until = schedule.lent_until(now)
    return until is None or until - now <= lead()


def lead() -> timedelta:
    """How long before the end of a window guests are told: the notice, a clean stop, and twice the time between two looks."""
    return timedelta(seconds=settings.PREEMPT_NOTICE_S + settings.PREEMPT_STOP_S + 2 * settings.PREEMPT_LOOK_S)


def _count(row: Allocation, need: Need) -> None:
    _move(row.host_id, need)
    Allocation.objects.filter(pk=row.pk).update(cpu_m=need.cpu_m, memory_mib=need.memory_mib)


def _move(host_id: UUID, need: Need) -> None:
    Host.objects.filter(pk=host_id).update(
        spot_cpu_m=F("spot_cpu_m") + need.cpu_m, spot_memory_mib=F("spot_memory_mib") + need.memory_mib
    )


def _demand_lent(host: Host, now: datetime) -> None:
    """It must lend for longer than it takes to be told to leave."""
    if host.duty != HostDuty.ACTIVE:
        raise NotLending("Its host takes no guests at present; try again later.", context={"lends_at": None})
    schedule = schedule_of(host)
    if not must_give_back(schedule, now):
        return
    until = schedule.lent_until(now)
    opens = schedule.lends_next(now if until is None else until)
    if opens is None:
        raise NotLending(
            "Its host does not lend idle room any more; make another one of a plan that is not preemptible, or ask the operator.",
            context={"lends_at": None},
        )
    raise NotLending(f"Its host lends again at {schedule.clock(opens)}; start it then.", context={"lends_at": opens.isoformat()})


def _demand_room(host: Host, need: Need) -> None:
    wanted: dict[str, Any] = {"processor": (need.cpu_m, "cpu_m"), "memory": (need.memory_mib, "memory_mib")}
    short = [
        name
        for name, (want, side) in wanted.items()
        if getattr(host, f"used_{side}") + getattr(host, f"spot_{side}") + want > getattr(host, f"cap_{side}")
    ]
    if short:
        raise NoIdleRoom(
            f"Its host has no idle {' and '.join(short)} for it now; try again later, or make another one where there is room.",
            context={"short": short},
        )
