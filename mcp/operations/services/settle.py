"""End an operation from outside its worker: superseded, or cancelled before it began."""

from __future__ import annotations

from django.utils import timezone

from mcp.errors import ControlPlaneError
from mcp.events.services.emit import emit_operation
from mcp.operations.models import Operation, Ticket
from mcp.operations.states import OperationState


def settle_by_somebody_else(operation: Operation, error: ControlPlaneError) -> None:
    """Mark a locked, active operation as cancelled. A worker still busy with it finds its lease gone and stops;

    hosts refuse its later commands because the next operation carries a higher fence.
    """
    operation.state = OperationState.CANCELLED
    operation.error_code = error.code
    operation.error_message = error.detail
    operation.finished_at = timezone.now()
    operation.lease_until = None
    operation.lease_owner = ""
    operation.message = ""
    operation.save(
        update_fields=[
            "state", "error_code", "error_message", "finished_at", "lease_until", "lease_owner", "message",
        ]
    )  # fmt: skip
    Ticket.objects.filter(operation=operation).delete()
    emit_operation(operation)
