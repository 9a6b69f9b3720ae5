"""Pause, resume and abort a run of moves."""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden
from mcp.events.services.audit import audit
from mcp.operations.errors import NotCancellable
from mcp.operations.services.cancel import cancel
from pods.models import Move, MoveRun
from pods.services.move_runs import conclude
from pods.states import RUN_TRANSITIONS, MoveRunState, MoveState


def pause_moves(*, actor: Actor, run: MoveRun) -> MoveRun:
    """Begin no more moves; those at work end. Repeatable. Raises Forbidden, Conflict (it has ended)."""
    return _steer(actor, run, MoveRunState.PAUSED)


def resume_moves(*, actor: Actor, run: MoveRun) -> MoveRun:
    """Go on after a pause. Repeatable. Raises Forbidden, Conflict (it has ended or is being aborted)."""
    return _steer(actor, run, MoveRunState.RUNNING)


def abort_moves(*, actor: Actor, run: MoveRun) -> MoveRun:
    """Drop what has not begun, and cancel what is at work; what has switched over already ends on its new host.

    Guests that were moved stay where they are, and a host that is draining stays so. Repeatable. Raises Forbidden, Conflict.
    """
    with transaction.atomic():
        locked = _steer(actor, run, MoveRunState.ABORTING)
        if not locked.live:
            return locked
        planned = Move.objects.filter(run=locked, state=MoveState.PLANNED)
        planned.update(state=MoveState.DROPPED, reason="The run was aborted.", finished_at=timezone.now())
        for move in Move.objects.filter(run=locked, state=MoveState.MOVING, operation_id__isnull=False):
            with suppress(NotCancellable):  # past its point of no return: it ends on its new host
                cancel(move.operation_id)  # type: ignore[arg-type]  # filtered above
        conclude(locked)
    return locked


def _steer(actor: Actor, run: MoveRun, state: MoveRunState) -> MoveRun:
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    with transaction.atomic():
        locked = MoveRun.objects.select_for_update(of=("self",)).select_related("pod", "host").get(pk=run.pk)
        before = locked.state
        if before == state:
            return locked
        if state not in RUN_TRANSITIONS[before]:
            raise Conflict(f"This {locked} is {before}; it cannot become {state} any more.")
        locked.state = state
        locked.save(update_fields=["state"])
        audit(
            f"moves.{state}", actor=actor.label, source=actor.source, target_type="move_run", target_id=run.pk,
            target_name=str(locked), changes={"state": [before, str(state)]},
        )  # fmt: skip
    return locked
