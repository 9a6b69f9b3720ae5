"""Decide about a drift finding: adopt what was found, restore what was wanted, or ignore it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.power import restart, start, stop
from accelerators.services.rebuild import reapply_limits, remake
from accelerators.states import State
from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden, NotFound
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from mcp.operations.models import Operation
from pods.models import DriftFinding
from pods.states import FindingKind, FindingState

NOT_ADOPTED: dict[str, str] = {
    FindingKind.UNKNOWN_GUEST: "An unknown guest belongs to no account and cannot be adopted; remove it on the host, or "
    "ignore it.",
    FindingKind.LIMITS: "Limits that differ from the plan cannot be adopted; restore them.",
    FindingKind.UNGUARDED: "A guest without anti-spoofing rules endangers its neighbours and cannot be adopted; restore it, "
    "which restarts it.",
}


def _decide(actor: Actor, finding_id: UUID, state: FindingState, operation: Operation | None = None) -> DriftFinding:
    row = DriftFinding.objects.select_for_update().get(pk=finding_id)
    row.state, row.decided_at, row.decided_by = state, timezone.now(), actor.label[:200]
    row.operation_id = operation.pk if operation else None
    row.save(update_fields=["state", "decided_at", "decided_by", "operation_id"])
    audit(
        f"drift.{state}", actor=actor.label, source=actor.source, account_id=row.account_id, target_type="drift",
        target_id=row.pk, target_name=row.target_name or row.guest_name, changes={"kind": row.kind, "found": row.found},
        operation_id=row.operation_id,
    )  # fmt: skip
    if row.target_id is not None:
        emit(
            f"drift.{state}", f"An operator decided: {state}. {row.sentence}", target_type="accelerator",
            target_id=row.target_id, target_name=row.target_name, account_id=row.account_id, actor=actor.label,
        )  # fmt: skip
    return row


def _open(actor: Actor, finding_id: UUID) -> DriftFinding:
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation decide about drift.")
    row = DriftFinding.objects.select_related("host").filter(pk=finding_id).first()
    if row is None:
        raise NotFound(f"There is no finding {finding_id}.")
    if row.state not in (FindingState.OPEN, FindingState.IGNORED):
        raise Conflict(f"This finding is {row.state} already.")
    return row


def adopt(*, actor: Actor, finding_id: UUID) -> DriftFinding:
    """Make what was found the wish: the power state as it is; a missing guest as deleted.

    Raises Conflict where nothing can be adopted: foreign guests have no owner, changed limits no price, and a port without
    rules endangers the neighbours.
    """
    row = _open(actor, finding_id)
    with transaction.atomic():
        if row.kind == FindingKind.POWER and row.target_id is not None:
            power = str(row.found.get("power", "unknown"))
            if power not in ("running", "stopped"):
                raise Conflict(f"A guest that is {power} cannot be adopted; restore it instead.")
            settled = Accelerator.objects.filter(pk=row.target_id, state__in=[State.RUNNING, State.STOPPED])
            if not settled.update(power_wanted=power, revision=F("revision") + 1):
                raise Conflict(f"{row.target_name} is on its way elsewhere or in the trash; its power cannot be adopted.")
            return _decide(actor, finding_id, FindingState.ADOPTED)
        if row.kind == FindingKind.MISSING and row.target_id is not None:
            _, operation = delete(actor=actor, accelerator_id=row.target_id, now=True)
            return _decide(actor, finding_id, FindingState.ADOPTED, operation)
    raise Conflict(NOT_ADOPTED.get(row.kind, "This cannot be adopted; restore it instead."))


def restore(*, actor: Actor, finding_id: UUID) -> DriftFinding:
    """Bring the host back to the wish: start, stop, restart the guest, apply its limits, or build a missing one anew (empty).

    Port rules are set at start: a guest found without them is restarted, or stopped where that is the wish.

    Raises Conflict for unknown guests: MCP never deletes what it does not know.
    """
    row = _open(actor, finding_id)
    if row.target_id is None:
        raise Conflict("MCP never deletes a guest that it does not know; remove it on the host, or ignore it.")
    with transaction.atomic():
        operation = _restore(actor, row)
        return _decide(actor, finding_id, FindingState.RESTORED, operation)


def _restore(actor: Actor, row: DriftFinding) -> Operation:
    assert row.target_id is not None
    if row.kind == FindingKind.MISSING:
        return remake(actor=actor, accelerator_id=row.target_id)[1]
    if row.kind == FindingKind.LIMITS:
        return reapply_limits(actor=actor, accelerator_id=row.target_id)[1]
    up = restart if row.kind == FindingKind.UNGUARDED else start
    verb = up if row.wanted.get("power") == "running" else stop
    return verb(actor=actor, accelerator_id=row.target_id)[1]


def ignore(*, actor: Actor, finding_id: UUID) -> DriftFinding:
    """Leave it as it is and stop showing it as open; it resolves itself when it goes away."""
    _open(actor, finding_id)
    with transaction.atomic():
        return _decide(actor, finding_id, FindingState.IGNORED)
