"""Empty a host: it takes no new guests from now on, and those it has move to other hosts of its pod."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from pods.models import Host, MoveRun
from pods.services.draw_moves import draw_evacuation
from pods.services.duty import set_duty
from pods.services.move_runs import demand_operator, write_run
from pods.states import HostDuty


def evacuate(*, actor: Actor, host: Host, parallel: int = 2, reason: str = "") -> MoveRun:
    """Set the host draining (one in maintenance stays so), plan, and let the clock begin the moves, `parallel` at once.

    Under the host's lock, so no guest arrives between plan and duty. In a transaction that is rolled back it is the dry run.
    Raises Forbidden, InvalidInput, Conflict (retired, or being evacuated already).
    """
    demand_operator(actor, parallel)
    with transaction.atomic():
        if host.duty != HostDuty.MAINTENANCE:
            set_duty(actor=actor, host=host, duty=HostDuty.DRAINING, reason=reason or "evacuation")
        locked = Host.objects.select_for_update(of=("self",)).select_related("pod").get(pk=host.pk)
        drawn = draw_evacuation(locked, parallel=parallel)
        return write_run(
            drawn, actor=actor, purpose=MoveRun.Purpose.EVACUATION, pod=locked.pod, host=locked, parallel=parallel, reason=reason
        )
