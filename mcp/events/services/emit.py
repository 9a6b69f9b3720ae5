"""Write events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from mcp.events.models import Event
from mcp.operations.kinds import title_of

if TYPE_CHECKING:
    from mcp.operations.models import Operation


def emit(
    kind: str,
    message: str,
    *,
    target_type: str,
    target_id: UUID,
    target_name: str = "",
    account_id: UUID | None = None,
    operation_id: UUID | None = None,
    actor: str = "",
    data: dict[str, Any] | None = None,
) -> Event:
    """Append one event."""
    return Event.objects.create(
        kind=kind,
        message=message,
        target_type=target_type,
        target_id=target_id,
        target_name=target_name,
        account_id=account_id,
        operation_id=operation_id,
        actor=actor,
        data=data or {},
    )


def emit_operation(operation: Operation) -> Event:
    """The event of an operation that ended or waits for an operator."""
    seconds = (operation.finished_at - operation.created_at).total_seconds() if operation.finished_at is not None else None
    took = "" if seconds is None else f" after {seconds:.1f} s"
    title = title_of(operation)
    reason = f": {operation.error_message.removeprefix(f'{title}: ')}" if operation.error_message else "."
    return emit(
        f"operation.{operation.state}",
        f"{title}: {operation.state.replace('_', ' ')}{took}{reason}",
        target_type=operation.target_type,
        target_id=operation.target_id,
        target_name=operation.target_name,
        account_id=operation.account_id,
        operation_id=operation.pk,
        actor=operation.actor,
        data={"error": {"code": operation.error_code}} if operation.error_code else {},
    )
