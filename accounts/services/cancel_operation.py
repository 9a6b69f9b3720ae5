"""Ask an operation to stop: the engine's verb with a permission and an audit row."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from accounts.actor import Actor
from mcp.events.services.audit import audit
from mcp.operations.models import Operation
from mcp.operations.services.cancel import cancel


def cancel_operation(*, actor: Actor, operation_id: UUID) -> Operation:
    """Ask an operation to stop; in the actor's account, or anywhere for operators. Raises NotFound, NotCancellable, Forbidden."""
    actor.demand("operations.write")
    with transaction.atomic():
        account_id = None if actor.is_operator else actor.demand_account().pk
        operation = cancel(operation_id, account_id=account_id)
        audit(
            "operation.cancel", actor=actor.label, source=actor.source, account_id=operation.account_id,
            target_type="operation", target_id=operation.pk, target_name=operation.kind, operation_id=operation.pk,
        )  # fmt: skip
    return operation
