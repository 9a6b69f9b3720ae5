"""Ask an operation to stop. The next worker to hold it turns it back: at once if it waits, at its next step if it runs."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mcp.errors import NotFound
from mcp.operations.errors import NotCancellable
from mcp.operations.kinds import kind_of
from mcp.operations.models import Operation
from mcp.operations.services.wake import wake_after_commit
from mcp.operations.states import OperationState, StepState


def cancel(operation_id: UUID, *, account_id: UUID | None = None) -> Operation:
    """Cancel; `account_id` restricts it to that account's operations. Repeatable while it has not ended.

    Raises NotFound, NotCancellable.
    """
    with transaction.atomic():
        operation = _lock(operation_id, account_id)
        if operation.settled or not _may_be_cancelled(operation):
            raise NotCancellable(
                f"Operation {operation.pk} has {operation.state}."
                if operation.settled
                else f"{kind_of(operation).title} cannot be cancelled; wait for it to end."
            )
        operation.cancel_requested = True
        operation.not_before = timezone.now()  # what is parked need not wait out its pause to be told
        if operation.state == OperationState.NEEDS_ATTENTION:
            operation.state = OperationState.QUEUED
            operation.troubled_since = None
        operation.save(update_fields=["cancel_requested", "not_before", "state", "troubled_since"])
        wake_after_commit([operation])
    return operation


def _may_be_cancelled(operation: Operation) -> bool:
    kind = kind_of(operation)
    past = any(record.name == kind.point_of_no_return and record.state == StepState.DONE for record in operation.steps)
    return kind.cancellable and not past


def _lock(operation_id: UUID, account_id: UUID | None) -> Operation:
    operations = Operation.objects.select_for_update()
    if account_id is not None:
        operations = operations.filter(account_id=account_id)
    operation = operations.filter(pk=operation_id).first()
    if operation is None:
        raise NotFound(f"There is no operation {operation_id} in this account.")
    return operation
