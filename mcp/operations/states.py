"""The states of an operation and the closed table of its transitions (drawn in docs/lifecycles/operation.md)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class OperationState(models.TextChoices):
    """What callers see. QUEUED waits for a worker, for its turn, or for a moment to try again."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"


S = OperationState
SETTLED: frozenset[str] = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED})
ACTIVE: frozenset[str] = frozenset({S.QUEUED, S.RUNNING, S.NEEDS_ATTENTION})

TRANSITIONS: Mapping[str, frozenset[str]] = {
    # A worker claims it; or it is cancelled (or superseded by a deletion) before anyone did.
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED}),
    # Back to QUEUED means parked: waiting to try again. RUNNING to RUNNING is another worker's take-over.
    S.RUNNING: frozenset({S.QUEUED, S.RUNNING, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.NEEDS_ATTENTION}),
    # Out of attempts: an operator (or a host that came back) retries, or something supersedes it.
    S.NEEDS_ATTENTION: frozenset({S.QUEUED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}


class StepState(models.TextChoices):
    """Where one step stands. ACTING is journalled before the step acts, so its undo is never forgotten."""

    PENDING = "pending"
    ACTING = "acting"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    SKIPPED = "skipped"
