"""Give an operation that needs attention another try, from the step where it stopped, in the direction it went."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mcp.errors import NotFound
from mcp.operations.errors import NotRetryable
from mcp.operations.models import Operation
from mcp.operations.services.wake import wake_after_commit
from mcp.operations.states import OperationState


def retry(operation_id: UUID, *, account_id: UUID | None = None) -> Operation:
    """Queue it again. Raises NotFound, NotRetryable."""
    with transaction.atomic():
        operations = Operation.objects.select_for_update().filter(pk=operation_id)
        if account_id is not None:
            operations = operations.filter(account_id=account_id)
        operation = operations.first()
        if operation is None:
            raise NotFound(f"There is no operation {operation_id} in this account.")
        if operation.state != OperationState.NEEDS_ATTENTION:
            raise NotRetryable(
                f"Operation {operation.pk} is {operation.state}; only one that needs attention is tried again. "
                "Ask for what you want anew."
            )
        requeue(operation)
    return operation


def retry_lane(lane: str, code: str) -> int:
    """Wake what waits for a lane that works again: what is paused after a failure there, and what an operator was asked about

    because of `code`. For a host that came back. Answers how many were woken.
    """
    with transaction.atomic():
        paused = Q(state=OperationState.QUEUED, troubled_since__isnull=False)
        given_up = Q(state=OperationState.NEEDS_ATTENTION, error_code=code)
        waiting = [row for row in Operation.objects.select_for_update().filter(paused | given_up) if lane in row.lanes]
        for operation in waiting:
            requeue(operation)
    return len(waiting)


def requeue(operation: Operation) -> None:
    """Put a locked operation back into its queue with fresh patience."""
    operation.state = OperationState.QUEUED
    operation.troubled_since = None
    operation.not_before = timezone.now()
    operation.message = ""
    operation.save(update_fields=["state", "troubled_since", "not_before", "message"])
    wake_after_commit([operation])
