"""Generic proofs about any kind of operation; a new kind gets all of them for one line each.

- `prove_unwinds`: make every step fail in turn, permanently, before and after its effect; the operation must end settled
  and whatever the caller calls clean must be clean.
- `prove_repeatable`: run every act, then every undo, twice.
- `prove_survives_crashes`: let the worker die at every crash point in turn; another one takes over and finishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from mcp.errors import ControlPlaneError
from mcp.operations.context import StepContext
from mcp.operations.crash import install
from mcp.operations.engine import run
from mcp.operations.kinds import Act, Data, OperationKind, Step, kind_named
from mcp.operations.models import Operation
from mcp.testing.drain import drain, expire_leases, next_due

Begin = Callable[[], UUID]
Check = Callable[[Operation], None]


class PlannedFailure(ControlPlaneError):
    """A failure that a proof asked for."""

    code = "test.planned_failure"
    title = "Planned failure"


class WorkerDied(BaseException):
    """Stands for kill -9: nothing in the engine may catch it, and nothing after it runs."""


def prove_unwinds(kind: str, begin: Begin, check: Check) -> int:
    """For every step with an act, and before and after its effect: fail it and `check` the settled operation.

    `begin` submits a fresh operation and answers its id. Answers how many cases were proven.
    """
    cases = 0
    for step in kind_named(kind).steps:
        for after in (False, True):
            if step.act is None:
                continue
            operation_id = begin()
            with _changed_step(kind, step.name, act=_failing(step.act, after=after)):
                drain()
            check(Operation.objects.get(pk=operation_id))
            cases += 1
    assert cases, f"{kind} has no step that acts"
    return cases


def prove_repeatable(kind: str, begin: Begin, check: Check, *, fail_at: str = "") -> None:
    """Every act twice, forward; then a failure at the end (or at the step named) and every undo twice."""
    operation_id = begin()
    with _doubled(kind):
        drain()
    check(Operation.objects.get(pk=operation_id))
    last = _failed_step(kind, fail_at)
    operation_id = begin()
    with _doubled(kind), _changed_step(kind, last.name, act=_failing(last.act or _nothing, after=True)):
        drain()
    check(Operation.objects.get(pk=operation_id))


def prove_survives_crashes(kind: str, begin: Begin, check: Check, *, fail_last: bool = False, fail_at: str = "") -> int:
    """Die at the n-th crash point for n = 1, 2, ... until the operation gets through; each time another worker goes on.

    With `fail_last` the last step fails (with `fail_at` the one named), so that the way back is travelled too. Answers how
    many points were tried.
    """
    last = _failed_step(kind, fail_at)
    fail_last = fail_last or bool(fail_at)
    point = 0
    while True:
        point += 1
        assert point < 200, "more crash points than any operation can have"
        operation_id = begin()
        with _changed_step(kind, last.name, act=_failing(last.act or _nothing, after=False) if fail_last else None):
            died = _die_at(point)
            expire_leases()
            drain()
        check(Operation.objects.get(pk=operation_id))
        if not died:
            return point - 1


def _failed_step(kind: str, name: str) -> Step:
    return kind_named(kind).step(name) if name else kind_named(kind).steps[-1]


def _die_at(point: int) -> bool:
    """Run what is due until the n-th crash point; answers whether it was reached."""
    passed = 0

    def hook(kind: str, step: str, place: str) -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            raise WorkerDied(f"{kind} {step} {place}")

    install(hook)
    try:
        while (operation := next_due()) is not None:
            run(operation)
    except WorkerDied:
        return True
    finally:
        install(None)
    return False


def _nothing(ctx: StepContext) -> Data | None:
    return None


def _failing(act: Act, *, after: bool) -> Act:
    def failing(ctx: StepContext) -> Data | None:
        if after:
            act(ctx)
        raise PlannedFailure("A proof made this step fail.")

    return failing


@contextmanager
def _changed_step(kind: str, name: str, *, act: Act | None = None) -> Iterator[None]:
    """Give one step another act for a while; without one nothing changes."""
    instance = kind_named(kind)
    steps = tuple(replace(step, act=act) if act is not None and step.name == name else step for step in instance.steps)
    with _steps(instance, steps):
        yield


@contextmanager
def _doubled(kind: str) -> Iterator[None]:
    instance = kind_named(kind)
    steps = tuple(replace(step, act=_twice(step.act), undo=_twice(step.undo)) for step in instance.steps)
    with _steps(instance, steps):
        yield


def _twice(act: Act | None) -> Act | None:
    if act is None:
        return None

    def twice(ctx: StepContext) -> Data | None:
        act(ctx)
        return act(ctx)

    return twice


@contextmanager
def _steps(instance: OperationKind, steps: tuple[Step, ...]) -> Iterator[None]:
    """Replace the steps of the registered instance for a while."""
    before = instance.__dict__.get("steps")
    instance.__dict__["steps"] = steps
    try:
        yield
    finally:
        if before is None:
            del instance.__dict__["steps"]
        else:
            instance.__dict__["steps"] = before
