"""What pages show of accelerators and operations: plain values made from rows, a fixed number of queries a page."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.states import PASSING, SETTLED, TRANSITIONS, State
from accounts.actor import Actor
from mcp.operations.kinds import kinds
from mcp.operations.models import Operation, StepRecord
from mcp.operations.states import ACTIVE, OperationState, StepState
from pods.models import Address
from pods.placement.words import REASONS

FRESH = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Verbs:
    """Which buttons make sense for this accelerator, this person, now."""

    start: bool = False
    stop: bool = False
    restart: bool = False
    delete: bool = False
    restore: bool = False
    edit: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a button at all."""
        return self.start or self.stop or self.restart or self.delete or self.restore


def verbs_for(accelerator: Accelerator, actor: Actor) -> Verbs:
    """From the table of states and the role; the services refuse the rest anyway."""
    if not actor.may("accelerators.write"):
        return Verbs()
    nexts = TRANSITIONS[accelerator.state]
    return Verbs(
        start=State.STARTING in nexts,
        stop=State.STOPPING in nexts,
        restart=State.RESTARTING in nexts and accelerator.preempt_at is None,
        delete=State.DELETING in nexts,
        restore=accelerator.state == State.TRASHED,
        edit=accelerator.state != State.DELETED,
    )


@dataclass(slots=True)
class Line:
    """One accelerator in a list."""

    row: Accelerator
    addresses: list[str] = field(default_factory=list)
    operation: Operation | None = None

    @property
    def passing(self) -> bool:
        """Whether it changes by itself."""
        return self.row.state in PASSING

    @property
    def power(self) -> str:
        """What a host showed last, and how sure that still is."""
        return power_of(self.row)


def power_of(row: Accelerator) -> str:
    """`fresh` (seen lately), `stale` (seen long ago), or `none` (nothing to see)."""
    if row.state in (State.FAILED, State.DELETED) or row.observed_at is None:
        return "none"
    return "fresh" if timezone.now() - row.observed_at < FRESH and row.power_observed != "unknown" else "stale"


def lines_of(rows: Sequence[Accelerator]) -> list[Line]:
    """Addresses and running operations of a page of accelerators: two queries."""
    ids = [row.pk for row in rows]
    addresses = addresses_of(ids)
    running = {
        operation.target_id: operation
        for operation in Operation.objects.filter(target_id__in=ids, exclusive=True, state__in=sorted(ACTIVE))
    }
    return [Line(row, addresses.get(row.pk, []), running.get(row.pk)) for row in rows]


def addresses_of(ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Addresses by holder."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for holder, ip in Address.objects.filter(holder_id__in=list(ids)).order_by("id").values_list("holder_id", "ip"):
        if holder is not None:
            found[holder].append(str(ip))
    return found


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as pages show it. `message` is empty for customers unless it is safe for them: drivers' words name hosts."""

    record: StepRecord
    message: str

    @property
    def name(self) -> str:
        """Its title."""
        return self.record.title or self.record.name


@dataclass(frozen=True, slots=True)
class ShownOperation:
    """An operation as a page shows it to this reader."""

    row: Operation
    title: str
    steps: list[ShownStep]
    may_cancel: bool
    may_retry: bool
    live: bool
    sentence: str

    @property
    def waits(self) -> str:
        """Why nothing happens just now, if nothing does; what a step says stands beside the step."""
        acting = any(step.record.state == StepState.ACTING for step in self.steps)
        return "" if acting and self.row.state == OperationState.RUNNING else self.row.message

    @property
    def percent(self) -> int:
        """For the progress bar; a finished one is full."""
        return 100 if self.row.state == OperationState.SUCCEEDED else self.row.progress


def shown_operation(row: Operation, actor: Actor | None, *, staff: bool = False) -> ShownOperation:
    """For a customer, or with every detail for staff."""
    kind = kinds().get(row.kind)
    steps = [ShownStep(step, _step_message(row, step, staff)) for step in row.steps]
    may_write = staff if actor is None else actor.may("operations.write")
    cancellable = kind is not None and kind.cancellable and row.state in ACTIVE and not row.undoing and not row.cancel_requested
    return ShownOperation(
        row=row,
        title=kind.title if kind is not None else row.kind,
        steps=steps,
        may_cancel=may_write and cancellable,
        may_retry=may_write and row.state == OperationState.NEEDS_ATTENTION,
        live=row.state in (OperationState.QUEUED, OperationState.RUNNING),
        sentence=_sentence(row, steps),
    )


def _step_message(row: Operation, step: StepRecord, staff: bool) -> str:
    if staff:
        return step.message
    if step.state == StepState.FAILED:
        return row.error_message
    return row.message if step.state == StepState.ACTING and row.message != step.title else ""


def _sentence(row: Operation, steps: Sequence[ShownStep]) -> str:
    """One line for the status region: short, and changed only when something happened."""
    if row.state == OperationState.SUCCEEDED:
        return "Done."
    if row.settled or row.state == OperationState.NEEDS_ATTENTION:
        return row.error_message or row.message or row.get_state_display()
    if row.undoing:
        return "Taking back what was begun."
    if row.cancel_requested:
        return "Stopping at the next step."
    for number, step in enumerate(steps, 1):
        if step.record.state == StepState.ACTING:
            return f"Step {number} of {len(steps)}: {step.name}."
    done = sum(step.record.state == StepState.DONE for step in steps)
    return f"{done} of {len(steps)} steps done." if done else row.message or "Waiting for its turn."


def next_step_of(operation: Operation) -> str:
    """What a customer can do about an operation that did not succeed."""
    if operation.state == OperationState.NEEDS_ATTENTION:
        return "An operator has been asked to look at it. You can wait, try it again now, or cancel it."
    if operation.state == OperationState.CANCELLED:
        return "Nothing more will happen. Ask for what you want anew."
    if operation.state == OperationState.FAILED and operation.kind == "accelerator.create":
        return "Nothing of it is left and it costs nothing. Create another one; delete this one when you have read why."
    if operation.state == OperationState.FAILED:
        return "The accelerator is as it was before, as far as we know. Try again; if it keeps failing, ask the operator."
    return ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One line of a placement's explanation."""

    words: str
    hosts: int


def placement_for_customer(operation: Operation) -> tuple[int, list[Reason]] | None:
    """How many hosts were looked at, and what ruled some out; never a name."""
    shown = (operation.placement or {}).get("customer")
    if not shown:
        return None
    counts = {**shown.get("removed", {}), **shown.get("short", {})}
    reasons = [Reason(REASONS.get(name, name.replace("_", " ")), number) for name, number in counts.items() if number]
    return int(shown.get("evaluated", 0)), reasons


def fingerprint(*parts: object) -> str:
    """Changes when what a page shows changes, so that polling swaps nothing needlessly and focus stays where it is."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def settled(row: Accelerator) -> bool:
    """Whether it stays as it is until somebody asks for something."""
    return row.state in SETTLED
