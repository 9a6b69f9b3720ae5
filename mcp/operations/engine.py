"""Carry one claimed operation out: step by step forward, or back when it failed, until it settles, parks or loses its lease.

Failures have three families. *Transient*: the same step again, with a growing, jittered pause, for `patience_s`; then an
operator is asked. *Permanent*: undo what was begun, newest first, and settle as failed. *Unknown*: the same as transient,
because every act is an ensure that looks first. An error that is none of ours is a bug: it is logged with its trace, and
treated as permanent, so that nothing half done stays behind.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from mcp.errors import ControlPlaneError, Retry
from mcp.events.services.emit import emit_operation
from mcp.operations.context import StepContext, stamp
from mcp.operations.crash import crash_point
from mcp.operations.errors import Again, Cancelled, LostLease, StepTimedOut
from mcp.operations.kinds import Step, kind_of
from mcp.operations.lease import leases
from mcp.operations.models import Operation, StepRecord, Ticket
from mcp.operations.states import OperationState, StepState
from mcp.operations.stopping import stopping

log = structlog.get_logger(__name__)

OWED = frozenset({StepState.ACTING, StepState.DONE, StepState.FAILED})


class InternalError(ControlPlaneError):
    """A defect in MCP stopped the operation."""

    code = "internal.error"


def run(operation: Operation) -> float | None:
    """Carry out a claimed operation. Answers seconds until it wants to be woken again, or None when it is out of our hands."""
    ctx = StepContext(operation, kind_of(operation))
    leases.hold(operation.pk)
    with structlog.contextvars.bound_contextvars(
        operation=str(operation.pk), kind=operation.kind, fence=operation.fence, request_id=operation.request_id
    ):
        try:
            return _drive(ctx)
        except LostLease:
            log.info("lease_lost")
            return None
        except (DatabaseError, InterfaceError) as exc:
            # The database went away: whatever was not committed did not happen. The lease runs out and a worker resumes.
            log.warning("database_unavailable", error=str(exc))
            return None
        finally:
            leases.release(operation.pk)


def _drive(ctx: StepContext) -> float | None:
    if not ctx.operation.undoing:
        pause = _forward(ctx)
        if pause is not None or not ctx.operation.undoing:
            return pause
    return _back(ctx)


# --- forward ---------------------------------------------------------------------------------------------------------


def _forward(ctx: StepContext) -> float | None:
    for step, record in zip(ctx.kind.steps, ctx.steps, strict=True):
        if record.state == StepState.DONE:
            continue
        if stopping() and not _cancel_wanted(ctx):
            return _park(ctx, 0.0, "Its worker is ending; another one goes on in a moment.")
        try:
            begun = _carry_out(ctx, step, record)
        except Again as again:
            return _come_back(ctx, step, record, again)
        except ControlPlaneError as error:
            if error.retry is Retry.NEVER:
                return _give_up(ctx, record, error)
            return _try_later(ctx, record, error)
        except (LostLease, DatabaseError, InterfaceError):
            raise
        except Exception as bug:  # a defect in a step must end in a settled operation, not in a stuck one
            log.exception("step_crashed", step=step.name)
            return _give_up(ctx, record, InternalError(f"{type(bug).__name__} in step {step.name}: {bug}"))
        if not begun:
            return _turn_back(ctx, record, Cancelled("It was cancelled on request."))
    _settle(ctx, OperationState.SUCCEEDED)
    return None


def _carry_out(ctx: StepContext, step: Step, record: StepRecord) -> bool:
    """False, with nothing done, if the operation is to be cancelled: asked at every step boundary."""
    if not _begin(ctx, step, record):
        return False
    if step.act is not None:
        crash_point(ctx, step.name, "before-act")
        record.data = step.act(ctx) or record.data
        crash_point(ctx, step.name, "after-act")
    record.state, record.finished_at, record.message = StepState.DONE, stamp(), ""
    if step.record is None:
        return True  # written together with the beginning of the next step, or with the settling
    with ctx.fenced(holding=True):
        step.record(ctx)
        ctx.write(progress=_progress(ctx), message="", troubled_since=None)
    crash_point(ctx, step.name, "after-record")
    return True


def _begin(ctx: StepContext, step: Step, record: StepRecord) -> bool:
    """Journal the step before it acts: from here on its undo is owed. False if somebody asked to cancel."""
    rows_only = step.act is None and step.undo is None  # its record is atomic, nothing can be half done
    if rows_only and _cancel_wanted(ctx):
        return False
    before = record.state, record.attempt, record.started_at
    record.state = StepState.ACTING
    record.attempt += 1
    record.started_at = record.started_at or stamp()
    if rows_only:
        return True
    if record.attempt == 1:
        ctx.operation.troubled_since = None  # what troubled an earlier step is over
    still = {"cancel_requested": False} if ctx.kind.cancellable and not ctx.only_forward else {}
    if ctx.write_while(still, progress=_progress(ctx), message=step.title, troubled_since=ctx.operation.troubled_since):
        return True
    record.state, record.attempt, record.started_at = before
    return False


def _come_back(ctx: StepContext, step: Step, record: StepRecord, again: Again) -> float | None:
    started = datetime.fromisoformat(record.started_at or stamp())
    if timezone.now() - started > timedelta(seconds=step.timeout_s):
        return _give_up(ctx, record, StepTimedOut(f"“{step.title}” did not finish within {step.timeout_s:g} s."))
    record.message = again.message
    return _park(ctx, again.after_s, again.message)


# --- trouble ---------------------------------------------------------------------------------------------------------


def _try_later(ctx: StepContext, record: StepRecord, error: ControlPlaneError) -> float | None:
    since = ctx.operation.troubled_since or timezone.now()
    if timezone.now() - since > timedelta(seconds=settings.OPERATIONS["patience_s"]):
        _ask_for_attention(ctx, record, error)
        return None
    record.message = error.detail[:500]
    _note_error(ctx, error)
    log.info("step_will_be_retried", step=record.name, attempt=record.attempt, code=error.code, detail=error.detail)
    ctx.operation.troubled_since = since
    return _park(ctx, backoff(record.attempt), ctx.kind.public_error(error) + " Trying again.")


def backoff(attempt: int) -> float:
    """Seconds to pause after the n-th failure: doubling, bounded, with full jitter (AWS architecture blog, 2015)."""
    first, most = settings.OPERATIONS["backoff_first_s"], settings.OPERATIONS["backoff_most_s"]
    return float(first + random.uniform(0, min(most, first * 2 ** min(attempt, 16))))


def _park(ctx: StepContext, after_s: float, message: str) -> float:
    """Give the worker and the lanes back until it is time to look again."""
    with ctx.fenced():
        Ticket.objects.filter(operation=ctx.operation).delete()
        ctx.write(
            state=OperationState.QUEUED,
            not_before=timezone.now() + timedelta(seconds=after_s),
            troubled_since=ctx.operation.troubled_since,
            message=message[:500],
            lease_until=None,
            lease_owner="",
        )
    return after_s


def _note_error(ctx: StepContext, error: ControlPlaneError) -> None:
    ctx.operation.operator_detail = f"{error.code}: {error.detail}"[:4000]
    Operation.objects.filter(pk=ctx.operation.pk, fence=ctx.fence).update(operator_detail=ctx.operation.operator_detail)


def _ask_for_attention(ctx: StepContext, record: StepRecord, error: ControlPlaneError) -> None:
    """Out of patience. The operation stays, visible and resumable; nothing is reverted silently."""
    record.message = error.detail[:500]
    with ctx.fenced():
        Ticket.objects.filter(operation=ctx.operation).delete()
        ctx.kind.on_attention(ctx)
        ctx.write(
            state=OperationState.NEEDS_ATTENTION,
            lease_until=None,
            lease_owner="",
            message="An operator has been asked to look at this.",
            **_error_fields(ctx, error),
        )
        emit_operation(ctx.operation)
    log.error("operation_needs_attention", step=record.name, code=error.code, detail=error.detail)


def _error_fields(ctx: StepContext, error: ControlPlaneError) -> dict[str, object]:
    return {
        "error_code": error.code,
        "error_message": ctx.kind.public_error(error),
        "error_retryable": error.retry is not Retry.NEVER,
        "operator_detail": f"{error.code}: {error.detail}"[:4000],
    }


def _cancel_wanted(ctx: StepContext) -> bool:
    if not ctx.kind.cancellable or ctx.only_forward:
        return False
    asked = Operation.objects.filter(pk=ctx.operation.pk).values_list("cancel_requested", flat=True)
    return bool(asked.order_by().first())


# --- back ------------------------------------------------------------------------------------------------------------


def _give_up(ctx: StepContext, record: StepRecord, error: ControlPlaneError) -> float | None:
    """A permanent failure: most kinds undo; those that must not (a deletion), or can no more, ask for an operator."""
    if ctx.kind.gives_up and not ctx.only_forward:
        return _turn_back(ctx, record, error)
    _ask_for_attention(ctx, record, error)
    return None


def _turn_back(ctx: StepContext, record: StepRecord, error: ControlPlaneError) -> float | None:
    """From now on the operation undoes; written down at once, so that a crash cannot turn it forward again."""
    if record.state == StepState.ACTING:
        record.state = StepState.FAILED
    record.message = error.detail[:500]
    ctx.write(undoing=True, troubled_since=None, message="Taking back what was begun.", **_error_fields(ctx, error))
    log.info("operation_turns_back", step=record.name, code=error.code, detail=error.detail)
    crash_point(ctx, record.name, "turned-back")
    return None


def _back(ctx: StepContext) -> float | None:
    for step, record in reversed(list(zip(ctx.kind.steps, ctx.steps, strict=True))):
        if record.state not in OWED:
            continue
        try:
            _take_back(ctx, step, record)
        except Again as again:
            return _park(ctx, again.after_s, again.message)
        except ControlPlaneError as error:
            if error.retry is not Retry.NEVER:
                return _try_later(ctx, record, error)
            _ask_for_attention(ctx, record, error)
            return None
        except (LostLease, DatabaseError, InterfaceError):
            raise
        except Exception as bug:  # as above: visible and resumable, never stuck
            log.exception("undo_crashed", step=step.name)
            _ask_for_attention(ctx, record, InternalError(f"{type(bug).__name__} undoing {step.name}: {bug}"))
            return None
    cancelled = ctx.operation.error_code == Cancelled.code
    _settle(ctx, OperationState.CANCELLED if cancelled else OperationState.FAILED)
    return None


def _take_back(ctx: StepContext, step: Step, record: StepRecord) -> None:
    record.attempt += 1
    if step.undo is not None:
        crash_point(ctx, step.name, "before-undo")
        step.undo(ctx)
        crash_point(ctx, step.name, "after-undo")
    record.state, record.finished_at = StepState.UNDONE, stamp()
    with ctx.fenced(holding=step.undo_record is not None):
        if step.undo_record is not None:
            step.undo_record(ctx)
        ctx.write(troubled_since=None)


# --- the end ---------------------------------------------------------------------------------------------------------


def _settle(ctx: StepContext, outcome: OperationState) -> None:
    """The operation's end, the domain's final state, its event and its lanes' places: one transaction.

    The first write holds the row and proves that the lease is ours, as `fenced` does.
    """
    for record in ctx.steps:
        if record.state == StepState.PENDING:
            record.state = StepState.SKIPPED
    with transaction.atomic():
        ctx.kind.hold(ctx)
        ctx.write(
            state=outcome,
            progress=100 if outcome == OperationState.SUCCEEDED else _progress(ctx),
            finished_at=timezone.now(),
            message="",
            troubled_since=None,
            lease_until=None,
            lease_owner="",
        )
        before = dict(ctx.operation.result)
        ctx.kind.settle(ctx, outcome.value)
        if ctx.operation.result != before:
            Operation.objects.filter(pk=ctx.operation.pk).update(result=ctx.operation.result)
        Ticket.objects.filter(operation=ctx.operation).delete()
        emit_operation(ctx.operation)
    log.info("operation_settled", outcome=outcome.value)
    crash_point(ctx, "settle", "after-record")


def _progress(ctx: StepContext) -> int:
    total = sum(step.weight for step in ctx.kind.steps) or 1
    done = sum(step.weight for step, record in zip(ctx.kind.steps, ctx.steps, strict=True) if record.state == StepState.DONE)
    return min(99, 100 * done // total)
