"""What a step sees of its operation, and the only ways in which it may write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mcp.operations.errors import LostLease
from mcp.operations.models import Operation, StepRecord
from mcp.operations.states import OperationState, StepState

if TYPE_CHECKING:
    from mcp.operations.kinds import OperationKind

TELL_EVERY_S = 0.25


class StepContext:
    """One run of one operation by one worker, under one fence."""

    def __init__(self, operation: Operation, kind: OperationKind) -> None:
        self.operation = operation
        self.kind = kind
        self.steps: list[StepRecord] = operation.steps
        self._told_at = 0.0

    @property
    def fence(self) -> int:
        """The fence of this run; every command to a host carries it."""
        return self.operation.fence

    @property
    def params(self) -> dict[str, Any]:
        """What was asked."""
        params: dict[str, Any] = self.operation.params
        return params

    @property
    def target_id(self) -> UUID:
        """The id of the thing worked on."""
        return self.operation.target_id

    @cached_property
    def subject(self) -> Any:
        """What `kind.load` returned; read once per run."""
        return self.kind.load(self)

    def data(self, step: str) -> dict[str, Any]:
        """What an earlier step left in the journal; empty if it has not run."""
        return next((record.data for record in self.steps if record.name == step), {})

    def record_of(self, step: str) -> StepRecord:
        """The journal line of a step."""
        return next(record for record in self.steps if record.name == step)

    @property
    def only_forward(self) -> bool:
        """Whether the kind's point of no return is behind us."""
        return any(record.name == self.kind.point_of_no_return and record.state == StepState.DONE for record in self.steps)

    @contextmanager
    def fenced(self, *, holding: bool = False) -> Iterator[None]:
        """A transaction that holds the operation's row and proves that the lease is still ours.

        `holding`: the target too, and before it (`OperationKind.hold`); for whatever writes more than the operation.
        Raises LostLease (and rolls back) when another worker took over or the operation was settled by somebody else.
        """
        with transaction.atomic():
            if holding:
                self.kind.hold(self)
            held = (
                Operation.objects.select_for_update()
                .filter(pk=self.operation.pk, fence=self.fence, state=OperationState.RUNNING)
                .order_by()
                .values_list("cancel_requested", flat=True)
                .first()
            )
            if held is None:
                raise LostLease(str(self.operation.pk))
            self.operation.cancel_requested = held
            yield

    def write(self, **changes: Any) -> None:
        """One conditional UPDATE of the operation with its journal. Raises LostLease."""
        if not self._write({}, changes):
            raise LostLease(str(self.operation.pk))

    def write_while(self, still: dict[str, Any], **changes: Any) -> bool:
        """The same, only while the row's columns are `still` as given; otherwise false, with nothing written.

        One round trip for "has somebody asked to cancel?" and "I begin". Raises LostLease.
        """
        if self._write(still, changes):
            return True
        with self.fenced():
            return False

    def _write(self, still: dict[str, Any], changes: dict[str, Any]) -> bool:
        changes["journal"] = Operation.journal_of(self.steps)
        mine = Operation.objects.filter(pk=self.operation.pk, fence=self.fence, state=OperationState.RUNNING, **still)
        if not mine.update(**changes):
            return False
        for name, value in changes.items():
            setattr(self.operation, name, value)
        return True

    def tell(self, message: str, share: float | None = None) -> None:
        """Say what is going on inside a long step (at most four times a second). Raises LostLease."""
        now = time.monotonic()
        if now - self._told_at < TELL_EVERY_S:
            return
        self._told_at = now
        suffix = "" if share is None else f" ({round(share * 100)} %)"
        self.write(message=f"{message}{suffix}"[:500])


def stamp() -> str:
    """Now, as the journal stores it."""
    return timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
