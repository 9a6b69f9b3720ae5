"""Carry out what is queued, in this thread, as a worker would: deterministic, without a broker."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from mcp.operations.engine import run
from mcp.operations.models import Operation
from mcp.operations.services.claim import claim_exactly, due
from mcp.operations.states import OperationState

OWNER = "test-worker"


def drain(*, most: int = 500, skip_pauses: bool = True) -> int:
    """Run until nothing is due; pauses between attempts are skipped, not waited for. Answers how many runs it took.

    Raises AssertionError when it does not come to rest after `most` runs.
    """
    runs = 0
    while True:
        operation = next_due(skip_pauses=skip_pauses)
        if operation is None:
            return runs
        assert runs < most, f"not at rest after {most} runs; last: {operation} {operation.message}"
        run(operation)
        runs += 1


def next_due(*, skip_pauses: bool = True) -> Operation | None:
    """Claim the next operation that waits, or whose worker died."""
    past = timezone.now() - timedelta(milliseconds=1)
    if skip_pauses:
        Operation.objects.filter(state=OperationState.QUEUED, not_before__gt=past).update(not_before=past)
    for operation_id in list(
        Operation.objects.filter(due(timezone.now())).order_by("not_before", "id").values_list("pk", flat=True)
    ):
        taken = claim_exactly(operation_id, owner=OWNER)
        if taken is not None:
            return taken
    return None


def expire_leases() -> int:
    """As if the workers holding them had died long ago."""
    return Operation.objects.filter(state=OperationState.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))


def resume(operation_id: UUID) -> Operation:
    """Take an abandoned operation over and run it once; answers it as it is then."""
    expire_leases()
    taken = claim_exactly(operation_id, owner=f"{OWNER}-2")
    assert taken is not None, "nothing to take over"
    run(taken)
    return Operation.objects.get(pk=operation_id)
