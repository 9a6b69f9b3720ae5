"""Accelerators as the residents of hosts: their names, what keeps one from being moved now, and how one is moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.move import move, refuse_unmovable
from accelerators.states import MOVABLE, State
from accounts.actor import Actor
from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE
from pods.models import Host
from pods.services.residents import Resident, register


class Accelerators:
    """See pods.services.residents.Registry."""

    def describe(self, holders: Collection[UUID]) -> Mapping[UUID, Resident]:
        """Two queries."""
        rows = list(Accelerator.objects.filter(pk__in=holders).exclude(state=State.DELETED).select_related("host__pod"))
        active = Operation.objects.filter(target_id__in=[row.pk for row in rows], exclusive=True, state__in=sorted(ACTIVE))
        busy = dict(active.values_list("target_id", "kind"))
        return {row.pk: Resident(row.pk, row.name, row.account_id, _blocked(row, busy.get(row.pk, ""))) for row in rows}

    def move(self, *, actor: Actor, holder_id: UUID, target: Host) -> Operation:
        """See services/move.py."""
        return move(actor=actor, accelerator_id=holder_id, target=target)[1]


def _blocked(row: Accelerator, kind: str) -> str:
    if kind:
        return f"An operation ({kind}) is at work on it; ask again when that has ended."
    if row.state not in MOVABLE or row.host is None:
        return f"It is {row.state}; ask again when that has passed."
    if not row.host.reachable:
        return "Its host does not answer, so nothing can be copied from there."
    try:
        refuse_unmovable(row, row.host)
    except WrongState as refused:
        return refused.detail
    return ""


register(Accelerators())
