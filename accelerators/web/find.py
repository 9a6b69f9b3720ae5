"""Find things of the actor's account; another account's answer 404 like those that never were."""

from __future__ import annotations

from uuid import UUID

from accelerators.models import Accelerator
from accounts.actor import Actor
from mcp.errors import NotFound
from mcp.operations.models import Operation


def find_accelerator(actor: Actor, accelerator_id: UUID) -> Accelerator:
    """With what pages show of it. Raises NotFound, Forbidden."""
    actor.demand("accelerators.read")
    rows = Accelerator.objects.filter(account=actor.demand_account()).select_related("plan", "image", "pod")
    row = rows.filter(pk=accelerator_id).first()
    if row is None:
        raise NotFound("There is no such accelerator in this account.")
    return row


def find_operation(actor: Actor, operation_id: UUID) -> Operation:
    """Raises NotFound, Forbidden."""
    actor.demand("operations.read")
    row = Operation.objects.filter(account_id=actor.demand_account().pk, pk=operation_id).first()
    if row is None:
        raise NotFound("There is no such operation in this account.")
    return row


def latest_operation(accelerator: Accelerator) -> Operation | None:
    """The last thing that was asked of it."""
    rows = Operation.objects.filter(target_id=accelerator.pk, exclusive=True)
    return rows.order_by("-created_at", "-pk").first()
