"""Accept an operation: the wish becomes a row inside the caller's transaction, and a worker is woken after the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from mcp.logs import request_id
from mcp.operations.errors import OperationInProgress, Superseded
from mcp.operations.kinds import OperationKind, kind_named, kinds
from mcp.operations.models import Operation, StepRecord
from mcp.operations.services.settle import settle_by_somebody_else
from mcp.operations.services.wake import wake_after_commit
from mcp.operations.states import ACTIVE, OperationState


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation works on. `lanes` are the lanes in which it takes a place while running, as `scope:key`."""

    type: str
    id: UUID
    name: str
    account_id: UUID | None = None
    queue: str = "mcp"
    lanes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """One operation to submit."""

    kind: str
    target: Target
    params: dict[str, Any] = field(default_factory=dict)
    placement: dict[str, Any] | None = None
    id: UUID | None = None


def submit(wish: Wish, *, actor: str) -> Operation:
    """Write one operation. The caller holds a transaction and the lock on the target.

    Raises OperationInProgress when another exclusive operation is at work on the target, this kind does not supersede, and
    the other one does not yield to it.
    Operations that wait for an operator never block: they are replaced.
    """
    return submit_many([wish], actor=actor)[0]


def submit_many(
    wishes: Sequence[Wish], *, actor: str, batch_id: UUID | None = None, new_targets: bool = False
) -> list[Operation]:
    """Write several operations in one go (one INSERT); targets must differ.

    With `new_targets` they were made in this transaction: nothing can be at work on them, and nobody looks.
    """
    assert connection.in_atomic_block, "operations are accepted inside the transaction that writes the wish"
    if not new_targets:
        _make_room(wishes)
    operations = Operation.objects.bulk_create([_row(wish, actor, batch_id) for wish in wishes])
    wake_after_commit(operations)
    return operations


def _row(wish: Wish, actor: str, batch_id: UUID | None) -> Operation:
    kind = kind_named(wish.kind)
    steps = [StepRecord(name=step.name, title=step.title) for step in kind.steps]
    operation = Operation(
        kind=wish.kind,
        account_id=wish.target.account_id,
        actor=actor[:200],
        request_id=request_id(),
        batch_id=batch_id,
        target_type=wish.target.type,
        target_id=wish.target.id,
        target_name=wish.target.name,
        exclusive=kind.exclusive,
        params=wish.params,
        placement=wish.placement,
        queue=wish.target.queue,
        lanes=list(wish.target.lanes),
        journal=Operation.journal_of(steps),
    )
    if wish.id is not None:
        operation.id = wish.id
    return operation


def _make_room(wishes: Sequence[Wish]) -> None:
    """Replace what may be replaced on the targets of exclusive wishes; refuse where something is at work."""
    exclusive = {wish.target.id: kind_named(wish.kind) for wish in wishes if kind_named(wish.kind).exclusive}
    if not exclusive:
        return
    active = Operation.objects.select_for_update().filter(target_id__in=list(exclusive), exclusive=True, state__in=sorted(ACTIVE))
    for present in active:
        _replace(present, exclusive[present.target_id])


def _replace(present: Operation, by: OperationKind) -> None:
    if not by.supersedes and not _yields(present, by) and present.state != OperationState.NEEDS_ATTENTION:
        raise OperationInProgress(
            f"{present.kind} is at work on {present.target_name or present.target_id}; wait for it{_or_cancel(present)}.",
            context={"operation": str(present.pk)},
        )
    if by.supersedes and present.kind == by.name and present.state != OperationState.NEEDS_ATTENTION:
        raise OperationInProgress(
            f"{present.target_name or present.target_id} is being worked on by {present.kind} already.",
            context={"operation": str(present.pk)},
        )
    settle_by_somebody_else(present, Superseded(f"Replaced by {by.name}."))


def _or_cancel(present: Operation) -> str:
    kind = kinds().get(present.kind)
    return ", or cancel it" if kind is None or kind.cancellable else ""


def _yields(present: Operation, by: OperationKind) -> bool:
    """Whether the one at work gives way to this kind; one whose code is not installed (any more) does not."""
    kind = kinds().get(present.kind)
    return kind is not None and by.name in kind.yields_to
