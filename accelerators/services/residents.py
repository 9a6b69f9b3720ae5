"""Accelerators as the residents of hosts: their names, what keeps one from being moved now, and how one is moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from uuid import UUID

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.move import move, refuse_unmovable
from accelerators.states import MOVABLE, PASSING, State
from accounts.actor import Actor
from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE, OperationState
from pods.models import Host
from pods.services.residents import Resident, register


class Accelerators:
    """See pods.services.residents.Registry."""

    def describe(self, holders: Collection[UUID]) -> Mapping[UUID, Resident]:
        """Two queries."""
        rows = list(Accelerator.objects.filter(pk__in=holders).exclude(state=State.DELETED).select_related("host__pod"))
        active = Operation.objects.filter(target_id__in=[row.pk for row in rows], exclusive=True, state__in=sorted(ACTIVE))
        busy = {operation.target_id: operation for operation in active.only("target_id", "kind", "state")}
        return {row.pk: _resident(row, busy.get(row.pk)) for row in rows}

    def move(self, *, actor: Actor, holder_id: UUID, target: Host) -> Operation:
        """See services/move.py."""
        return move(actor=actor, accelerator_id=holder_id, target=target)[1]


def _resident(row: Accelerator, operation: Operation | None) -> Resident:
    known = partial(Resident, row.pk, row.name, row.account_id)
    if operation is not None and operation.state == OperationState.NEEDS_ATTENTION:
        return known(f"An operation ({operation.kind}) on it waits for an operator; see to that first.")
    if operation is not None:
        return known(f"An operation ({operation.kind}) is at work on it; ask again when that has ended.", passing=True)
    if row.state not in MOVABLE or row.host is None:
        return known(f"It is {row.state}; ask again when that has passed.", passing=row.state in PASSING)
    if not row.host.reachable:
        return known("Its host does not answer, so nothing can be copied from there.")
    try:
        refuse_unmovable(row, row.host)
    except WrongState as refused:
        return known(refused.detail)
    return known()


register(Accelerators())
