"""Have preemptible accelerators leave: who, why, and until when. The operations that follow give notice and stop them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.services.target import target_of
from accelerators.states import PreemptReason, State
from accounts.actor import system
from mcp.events.services.audit import audit
from mcp.operations.models import Operation
from mcp.operations.services.submit import Wish, submit_many
from mcp.operations.states import ACTIVE
from pods.models import Allocation
from pods.placement.victims import Lodger, choose_victims
from pods.services.spot import overfull

# Operations that end with a guest stopped: the room of those they work on comes free without more ado.
LEAVING = ("accelerator.preempt", "accelerator.stop", "accelerator.trash", "accelerator.delete")


@dataclass(frozen=True, slots=True)
class Leaving:
    """How many were told to leave a host just now, and when all who leave will have gone, as far as notice goes."""

    told: int
    by: datetime


def make_room(host_ids: Iterable[UUID]) -> dict[UUID, Leaving]:
    """Send away as many preemptible guests as it takes until each host holds no more than it may; repeatable.

    The caller holds the hosts' locks in a transaction. Guests on which something is at work are not chosen: whoever looks
    again later finds them.
    """
    return {host_id: _make_room_on(host_id) for host_id in sorted(host_ids)}


def _make_room_on(host_id: UUID) -> Leaving:
    told = 0
    cpu_m, memory_mib = overfull(host_id)
    if cpu_m or memory_mib:
        going_cpu_m, going_memory_mib = _going(host_id)
        rows = {str(row.pk): row for row in at_hand(host_id)}
        lodgers = [Lodger(key, row.cpu_m, row.memory_mib, row.settled_at) for key, row in rows.items()]
        victims = choose_victims(lodgers, cpu_m=cpu_m - going_cpu_m, memory_mib=memory_mib - going_memory_mib)
        told = len(preempt([rows[one.id] for one in victims], PreemptReason.ROOM))
    return Leaving(told, timezone.now() + timedelta(seconds=settings.PREEMPT_NOTICE_S))


def lodging(host_id: UUID) -> list[UUID]:
    """Preemptible guests that hold room on a host."""
    rows = Allocation.objects.filter(host_id=host_id, preemptible=True, memory_mib__gt=0)
    return list(rows.order_by("id").values_list("holder_id", flat=True))


def _going(host_id: UUID) -> tuple[int, int]:
    """The room of those who leave anyway: thousandths of a processor and MiB."""
    leaving = Operation.objects.filter(target_id__in=lodging(host_id), kind__in=LEAVING, state__in=sorted(ACTIVE))
    rows = Allocation.objects.filter(holder_id__in=leaving.values("target_id"))
    sums = rows.aggregate(cpu_m=Sum("cpu_m"), memory_mib=Sum("memory_mib"))
    return sums["cpu_m"] or 0, sums["memory_mib"] or 0


def idle(accelerator_ids: Sequence[UUID]) -> list[Accelerator]:
    """Those on which nothing is at work, locked, so that nothing can begin; waits for nobody: what is held is left out."""
    if not accelerator_ids:
        return []
    rows = Accelerator.objects.select_for_update(
        of=("self",), no_key=True, skip_locked=connection.features.has_select_for_update_skip_locked
    )  # fmt: skip
    held = list(rows.select_related("pod").filter(pk__in=accelerator_ids).order_by("pk"))
    ids = [row.pk for row in held]
    busy = Operation.objects.filter(target_id__in=ids, exclusive=True, state__in=sorted(ACTIVE))
    at_work = set(busy.values_list("target_id", flat=True))
    return [row for row in held if row.pk not in at_work]


def at_hand(host_id: UUID) -> list[Accelerator]:
    """Preemptible guests of a host that can be told to leave now; locked. One in the trash may run if its return failed."""
    return [row for row in idle(lodging(host_id)) if row.state in (State.RUNNING, State.STOPPED, State.TRASHED)]


def preempt(rows: Sequence[Accelerator], reason: PreemptReason, until: datetime | None = None) -> list[Operation]:
    """Submit what tells and then stops them; `rows` come from `at_hand`. `until`: stop then, instead of after a whole notice."""
    actor = system("preemption")
    params = {"reason": str(reason), "until": until.isoformat() if until is not None else None}
    wishes = [Wish("accelerator.preempt", target_of(row, row.pod), params=params) for row in rows]
    operations = submit_many(wishes, actor=actor.label) if wishes else []
    for row, operation in zip(rows, operations, strict=True):
        audit(
            "accelerator.preempt", actor=actor.label, source=actor.source, account_id=row.account_id,
            target_type="accelerator", target_id=row.pk, target_name=row.name, operation_id=operation.pk,
            changes={"reason": str(reason)},
        )  # fmt: skip
    return operations
