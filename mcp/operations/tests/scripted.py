"""A kind of operation for the engine's own tests: its steps do what a script says, and write down what they did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from mcp.ids import new_id
from mcp.operations.context import StepContext
from mcp.operations.kinds import Data, OperationKind, Step, register
from mcp.operations.models import Operation
from mcp.operations.services.submit import Target, Wish, submit

Behaviour = Callable[[StepContext], Data | None]

done: list[str] = []
behaviours: dict[str, Behaviour] = {}


def _act(name: str) -> Behaviour:
    def act(ctx: StepContext) -> Data | None:
        done.append(name)
        behaviour = behaviours.get(name)
        return behaviour(ctx) if behaviour is not None else {"did": name}

    return act


@register
class Scripted(OperationKind):
    """Two steps with undo and one without."""

    name = "test.scripted"
    title = "Doing as told"
    steps: ClassVar[tuple[Step, ...]] = (
        Step("one", "First", act=_act("one"), undo=_act("undo one")),
        Step("two", "Second", act=_act("two"), undo=_act("undo two")),
        Step("three", "Third", act=_act("three"), timeout_s=0.05),
    )

    def settle(self, ctx: StepContext, outcome: str) -> None:
        done.append(outcome)


@register
class Replacing(OperationKind):
    """Supersedes whatever is at work, never gives up, cannot be cancelled: a deletion's manners."""

    name = "test.replacing"
    title = "Replacing"
    supersedes = True
    cancellable = False
    gives_up = False
    steps: ClassVar[tuple[Step, ...]] = (Step("only", "Only", act=_act("only")),)


@register
class Yielding(OperationKind):
    """Gives way to one other kind, and cannot be cancelled: a preemption's manners."""

    name = "test.yielding"
    title = "Yielding"
    cancellable = False
    yields_to = frozenset({"test.scripted"})
    steps: ClassVar[tuple[Step, ...]] = (Step("wait", "Wait", act=_act("wait")),)


@contextmanager
def script(**wanted: Behaviour) -> Iterator[list[str]]:
    """Behave as told for a while; answers the list of what was done, in order."""
    done.clear()
    behaviours.clear()
    behaviours.update({name.replace("_", " "): behaviour for name, behaviour in wanted.items()})
    yield done
    behaviours.clear()


def ask(
    kind: str = "test.scripted",
    *,
    target: UUID | None = None,
    account: UUID | None = None,
    lanes: tuple[str, ...] = (),
    queue: str = "mcp",
) -> Operation:
    """Submit one operation on a target of its own (or the given one)."""
    aim = Target("thing", target or new_id(), "a thing", account_id=account, lanes=lanes, queue=queue)
    with transaction.atomic():
        return submit(Wish(kind, aim), actor="tester")
