"""Look after runs of moves: settle those that ended, begin those that are due, end runs that have nothing left to do.

All state is in the database, each step is one transaction under the run's lock, and every step may be repeated: whoever
comes next goes on where a process died.
"""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor, system
from mcp.errors import ControlPlaneError
from mcp.operations.errors import Superseded
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from pods.errors import CapacityExhausted
from pods.models import Allocation, Host, Move, MoveRun
from pods.services.draw_moves import draw_evacuation, target_for, why_stuck
from pods.services.move_runs import conclude, held
from pods.services.residents import begin_move, describe
from pods.states import LIVE_RUNS, MoveRunState, MoveState

log = structlog.get_logger(__name__)
ENDS = {
    OperationState.SUCCEEDED: MoveState.MOVED,
    OperationState.FAILED: MoveState.FAILED,
    OperationState.CANCELLED: MoveState.DROPPED,
}


def advance_moves() -> int:
    """One look at every live run; repeatable, and several at once do no harm. Answers how many moves were begun."""
    runs = MoveRun.objects.filter(state__in=sorted(LIVE_RUNS)).order_by("created_at").values_list("pk", flat=True)
    return sum(advance(run_id) for run_id in list(runs))


def advance(run_id: UUID) -> int:
    """One look at one run. Answers how many moves were begun."""
    with transaction.atomic():
        run = held(run_id)
        if run is None:
            return 0
        _settle_ended(run)
        if conclude(run):
            return 0
    passed: set[UUID] = set()
    begun = 0
    while (outcome := _next(run_id, passed)) is not None:
        begun += outcome
    with transaction.atomic():
        run = held(run_id)
        if run is not None:
            conclude(run)
    return begun


def _settle_ended(run: MoveRun) -> None:
    """Moves whose operations have ended, in whatever way."""
    moves = list(Move.objects.filter(run=run, state=MoveState.MOVING))
    operations = Operation.objects.in_bulk([move.operation_id for move in moves if move.operation_id])
    for move in moves:
        operation = operations.get(move.operation_id) if move.operation_id else None
        if operation is None:
            _end(move, MoveState.FAILED, "Its operation is not known any more.")
        elif operation.state == OperationState.NEEDS_ATTENTION:
            Move.objects.filter(pk=move.pk).update(reason=f"Waits for an operator: {operation.operator_detail}")
        elif operation.settled:
            _end(move, ENDS[OperationState(operation.state)], _why(operation))


def _why(operation: Operation) -> str:
    if operation.state == OperationState.SUCCEEDED:
        return ""
    if operation.error_code == Superseded.code:
        return "It was deleted meanwhile."
    return operation.operator_detail or operation.error_message


def _end(move: Move, state: MoveState, reason: str = "") -> None:
    Move.objects.filter(pk=move.pk).update(state=state, reason=reason, finished_at=timezone.now())


def _next(run_id: UUID, passed: set[UUID]) -> int | None:
    """Begin, or decide about, the next move that is due; None when there is none now. 1 if one was begun."""
    with transaction.atomic():
        run = held(run_id)
        if run is None or run.state != MoveRunState.RUNNING:
            return None
        move = _due(run, passed)
        if move is None:
            return None
        passed.add(move.pk)
        return int(_take_up(run, move))


def _due(run: MoveRun, passed: set[UUID]) -> Move | None:
    """The first planned move for which the run, its source and its target have a place."""
    at_work = list(Move.objects.filter(state=MoveState.MOVING).values_list("run_id", "source_id", "target_id"))
    if sum(run_id == run.pk for run_id, _, _ in at_work) >= run.parallel:
        return None
    leaving, arriving = Counter(row[1] for row in at_work), Counter(row[2] for row in at_work if row[2])
    most = settings.MOVES_PER_HOST
    planned = Move.objects.filter(run=run, state=MoveState.PLANNED).exclude(pk__in=passed).order_by("position")
    for move in planned.select_related("source", "target")[:200]:
        if leaving[move.source_id] < most and move.target_id and arriving[move.target_id] < most:
            return move
    return None


def _take_up(run: MoveRun, move: Move) -> bool:
    """Begin it, unless its guest is gone, stays, or must be waited for."""
    resident = describe([move.holder_id]).get(move.holder_id)
    where = Allocation.objects.filter(holder_id=move.holder_id).values_list("host_id", flat=True).first()
    if resident is None or where is None:
        _end(move, MoveState.DROPPED, "It is gone.")
    elif where != move.source_id:
        _end(move, MoveState.DROPPED, "It is on another host already.")
    elif resident.blocked and not resident.passing:
        _end(move, MoveState.STUCK, resident.blocked)
    elif resident.blocked:
        _wait(move, resident.blocked)
    else:
        return _begin(run, move)
    return False


def _begin(run: MoveRun, move: Move) -> bool:
    assert move.target is not None, "planned moves have a target"
    actor: Actor = system(f"moves:{run.pk}")
    try:
        with transaction.atomic():
            operation = begin_move(actor=actor, holder_id=move.holder_id, target=move.target)
    except CapacityExhausted as full:
        _elsewhere(run, move, full.detail)
        return False
    except ControlPlaneError as error:  # others were quicker; the next look tries again
        log.info("move_waits", move=str(move.pk), code=error.code, detail=error.detail)
        _wait(move, error.detail)
        return False
    if operation is None:
        _end(move, MoveState.DROPPED, "It is gone.")
        return False
    Move.objects.filter(pk=move.pk).update(
        state=MoveState.MOVING, operation_id=operation.pk, started_at=timezone.now(), reason=""
    )  # fmt: skip
    return True


def _wait(move: Move, reason: str) -> None:
    Move.objects.filter(pk=move.pk).update(reason=reason)


def _elsewhere(run: MoveRun, move: Move, reason: str) -> None:
    """Its place was taken since the plan was made: another host, if one takes it, at the next look."""
    if run.host_id is None:  # a rebalance: the gain is gone with the place
        _end(move, MoveState.STUCK, reason)
        return
    host = Host.objects.select_related("pod").get(pk=run.host_id)
    drawn = draw_evacuation(host, parallel=run.parallel)
    target = target_for(drawn, move.holder_id)
    if target == move.target_id and Move.objects.filter(run=run, state=MoveState.MOVING).exists():
        _wait(move, reason)  # both ends of others are still held
        return
    if target is None or target == move.target_id:
        _end(move, MoveState.STUCK, why_stuck(drawn, move.holder_id) or reason)
        return
    Move.objects.filter(pk=move.pk).update(target_id=target, reason="Its first place was taken meanwhile.")
