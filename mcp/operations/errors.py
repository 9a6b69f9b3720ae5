"""Errors and signals of the engine."""

from __future__ import annotations

from mcp.errors import Conflict, ControlPlaneError, Retry


class OperationInProgress(Conflict):
    """Another exclusive operation is at work on the target; `context['operation']` names it."""

    code = "operation.in_progress"
    title = "Another operation is at work on this"


class NotCancellable(Conflict):
    """It has ended, or its kind cannot be cancelled."""

    code = "operation.not_cancellable"
    title = "This operation cannot be cancelled"


class NotRetryable(Conflict):
    """Only an operation that needs attention can be retried; a failed one is asked for anew."""

    code = "operation.not_retryable"
    title = "This operation cannot be retried"


class Superseded(ControlPlaneError):
    """Recorded on an operation that a deletion replaced."""

    code = "operation.superseded"
    title = "A later request replaced this one"


class Cancelled(ControlPlaneError):
    """Recorded on an operation that somebody cancelled."""

    code = "operation.cancelled"
    title = "Cancelled on request"


class StepTimedOut(ControlPlaneError):
    """A step did not finish within its limit."""

    code = "operation.step_timed_out"
    title = "A step took too long"
    status = 504
    retry = Retry.OBSERVE


class LostLease(Exception):
    """Not an error of the request: another worker took over, so this one must stop at once and write nothing."""


class Again(Exception):
    """A step's way to say "not yet": the operation is parked and the step comes back, without holding a worker.

    `after_s` is when to look again; the step's own time limit still counts from its first start.
    """

    def __init__(self, after_s: float, message: str = "") -> None:
        self.after_s = after_s
        self.message = message
        super().__init__(message)
