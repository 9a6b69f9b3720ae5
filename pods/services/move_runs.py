"""What all verbs on runs of moves share: writing one down, holding one, ending one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from pods.models import Host, Move, MoveRun, Pod
from pods.services.draw_moves import Drawn, picture_of
from pods.services.move_words import counts_for
from pods.states import LIVE_RUNS, MoveRunState, MoveState

MOST_AT_ONCE = 64


def demand_operator(actor: Actor, parallel: int) -> None:
    """Raises Forbidden, or InvalidInput naming `parallel`."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    if not 1 <= parallel <= MOST_AT_ONCE:
        raise InvalidInput.on("parallel", f"choose 1 to {MOST_AT_ONCE} moves at once.")


def write_run(
    drawn: Drawn, *, actor: Actor, purpose: MoveRun.Purpose, pod: Pod, host: Host | None, parallel: int, reason: str,
    minimum_gain: float | None = None,
) -> MoveRun:  # fmt: skip
    """The run with its moves, what stays included. Raises Conflict when there is a live one already."""
    run = MoveRun(
        purpose=purpose, pod=pod, host=host, parallel=parallel, reason=reason[:200], minimum_gain=minimum_gain,
        actor=actor.label[:200], estimated_s=drawn.plan.seconds, picture=picture_of(drawn),
    )  # fmt: skip
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError as exc:
        raise _taken(run) from exc
    Move.objects.bulk_create(_moves(run, drawn))
    _note(run, actor)
    conclude(run)
    return run


def _taken(run: MoveRun) -> Conflict:
    same = MoveRun.objects.filter(purpose=run.purpose, pod=run.pod, host=run.host, state__in=sorted(LIVE_RUNS)).first()
    return Conflict(
        f"There is a live {run} already ({same.pk if same else 'just begun'}); let it end, or abort it first.",
        context={"run": str(same.pk) if same else ""},
    )


def _moves(run: MoveRun, drawn: Drawn) -> list[Move]:
    planned = [
        _move(run, drawn, move.guest.id, move.source, target_id=drawn.host_id(move.target), gain=move.gain or None)
        for move in drawn.plan.moves
    ]
    now = timezone.now()
    staying = [
        _move(run, drawn, one.guest.id, one.guest.host, state=MoveState.STUCK, reason=one.reason, finished_at=now)
        for one in drawn.plan.stuck
    ]
    guests = [*(move.guest for move in drawn.plan.moves), *(one.guest for one in drawn.plan.stuck)]
    needs = {guest.id: guest.need for guest in guests}
    rows = planned + staying
    for position, row in enumerate(rows, 1):
        need = needs[str(row.holder_id)]
        row.position, row.cpu_m, row.memory_mib, row.disk_gib = position, need.cpu_m, need.memory_mib, need.disk_gib
    return rows


def _move(run: MoveRun, drawn: Drawn, guest_id: str, source: int, **fields: Any) -> Move:
    holder = UUID(guest_id)
    resident = drawn.residents.get(holder)
    return Move(
        run=run, holder_id=holder, holder_name=resident.name if resident else "(a move's other end)",
        account_id=resident.account_id if resident else None, source_id=drawn.host_id(source), **fields,
    )  # fmt: skip


def _note(run: MoveRun, actor: Actor) -> None:
    counts = counts_of(run)
    emit(
        f"{run.purpose}.begun", f"{str(run).capitalize()}: {counts['planned']} to move, {counts['stuck']} stay.",
        target_type="host" if run.host_id else "pod", target_id=run.host_id or run.pod_id,
        target_name=str(run.host or run.pod), actor=actor.label,
    )  # fmt: skip
    audit(
        f"moves.{run.purpose}", actor=actor.label, source=actor.source, target_type="move_run", target_id=run.pk,
        target_name=str(run), changes={"parallel": run.parallel, "reason": run.reason, **counts},
    )  # fmt: skip


def counts_of(run: MoveRun) -> dict[str, int]:
    """How many moves there are in each state; one query."""
    return counts_for([run])[run.pk]


def held(run_id: UUID) -> MoveRun | None:
    """A live run, locked; None when it has ended or another process is looking after it. The caller holds a transaction."""
    skip = connection.features.has_select_for_update_skip_locked
    rows = MoveRun.objects.select_for_update(of=("self",), skip_locked=skip).select_related("pod", "host__pod")
    return rows.filter(pk=run_id, state__in=sorted(LIVE_RUNS)).first()


def conclude(run: MoveRun) -> bool:
    """End a locked run that has nothing left to do; answers whether it has ended."""
    counts = counts_of(run)
    if counts[MoveState.PLANNED] or counts[MoveState.MOVING]:
        return False
    run.state = MoveRunState.ABORTED if run.state == MoveRunState.ABORTING else MoveRunState.FINISHED
    run.finished_at = timezone.now()
    run.save(update_fields=["state", "finished_at"])
    left = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    emit(
        f"{run.purpose}.{run.state}", f"{str(run).capitalize()} has {run.state}: {left or 'nothing to move'}.",
        target_type="host" if run.host_id else "pod", target_id=run.host_id or run.pod_id,
        target_name=str(run.host or run.pod), actor=run.actor,
    )  # fmt: skip
    return True
