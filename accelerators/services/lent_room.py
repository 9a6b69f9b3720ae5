"""Look after the room that hosts lend: who must leave because lending ends or a host is overfull, and who may come back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.services.power import start
from accelerators.services.preempt import at_hand, make_room, preempt
from accelerators.states import PreemptReason, State
from accounts.actor import system
from accounts.models import Account
from mcp.errors import ControlPlaneError
from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE
from pods.models import Host
from pods.services.lending import schedule_of
from pods.services.spot import OVERFULL, must_give_back, overfull
from pods.states import HostDuty, SpotUse

log = structlog.get_logger(__name__)
MOST = 200
EVADED_FOR_S = 600.0


def call_back() -> int:
    """Give notice wherever a host stops lending soon or holds more than it may; repeatable. Answers how many were told.

    A window's guests are told so early that they are stopped by its end. One query where nobody has to go: hosts that always
    lend and are not overfull are not even read.
    """
    lending = Host.objects.filter(OVERFULL | ~Q(spot=SpotUse.ALWAYS), spot_memory_mib__gt=0)
    return sum(_call_back_from(host) for host in lending.select_related("pod").order_by("pk"))


def _call_back_from(host: Host) -> int:
    """Under the host's lock, so that nobody is told twice."""
    schedule, now = schedule_of(host), timezone.now()
    ending = must_give_back(schedule, now)
    if not ending and not any(overfull(host.pk)):
        return 0  # its window is open for long enough
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        if not ending:
            return make_room([host.pk])[host.pk].told
        end = schedule.lent_until(now)
        reason = PreemptReason.LENDING if end is None else PreemptReason.WINDOW
        until = None if end is None else end - timedelta(seconds=settings.PREEMPT_STOP_S)
        return len(preempt(at_hand(host.pk), reason, until))


def forget_notices() -> int:
    """Void notices that were over a while ago and on which nothing is at work any more; repeatable.

    Until then a notice keeps its time, whoever it was evaded by. Answers how many were forgotten.
    """
    past = timezone.now() - timedelta(seconds=EVADED_FOR_S)
    return Accelerator.objects.filter(~Exists(_at_work()), preempt_at__lt=past).update(preempt_at=None, preempt_reason="")


def _at_work() -> QuerySet[Operation]:
    return Operation.objects.filter(target_id=OuterRef("pk"), exclusive=True, state__in=sorted(ACTIVE))


def bring_back() -> int:
    """Start what was preempted and comes back by itself, where there is room now; repeatable. Answers how many were started.

    The longest away first. What finds no room is asked again at the next look.
    """
    away = Accelerator.objects.filter(
        ~Exists(_at_work()), preempted_at__isnull=False, plan__comes_back=True, state=State.STOPPED, power_wanted="stopped",
        account__state=Account.State.ACTIVE,
    )  # fmt: skip
    hosts = Host.objects.filter(pk__in=away.values("host_id"), duty=HostDuty.ACTIVE, reachable=True).select_related("pod")
    lending = [host.pk for host in hosts if not must_give_back(schedule_of(host), timezone.now())]
    if not lending:
        return 0
    fitting = away.filter(
        host__in=lending, cpu_m__lte=F("host__cap_cpu_m") - F("host__used_cpu_m") - F("host__spot_cpu_m"),
        memory_mib__lte=F("host__cap_memory_mib") - F("host__used_memory_mib") - F("host__spot_memory_mib"),
    )  # fmt: skip
    ids = list(fitting.order_by("preempted_at").values_list("pk", flat=True)[:MOST])
    return sum(_bring_back(accelerator_id) for accelerator_id in ids)


def _bring_back(accelerator_id: UUID) -> bool:
    try:
        start(actor=system("preemption"), accelerator_id=accelerator_id)
    except ControlPlaneError as error:
        log.debug("stays_away", accelerator=str(accelerator_id), code=error.code, detail=error.detail)
        return False
    return True
