"""The point of no return: before it everything can be taken back, behind it nothing is."""

from __future__ import annotations

import pytest

from mcp.operations.context import StepContext
from mcp.operations.errors import Cancelled, NotCancellable
from mcp.operations.kinds import Data
from mcp.operations.models import Operation
from mcp.operations.services.cancel import cancel
from mcp.operations.services.retry import retry
from mcp.operations.tests.scripted import Scripted, ask, script
from mcp.operations.tests.test_engine import Final, again, fail
from mcp.testing.drain import drain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_return_after_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "point_of_no_return", "two")


def test_a_final_error_before_it_undoes() -> None:
    operation = ask()
    with script(two=fail(Final)) as done:
        drain()
    assert done == ["one", "two", "undo two", "undo one", "failed"]
    assert again(operation).state == "failed"


def test_a_final_error_behind_it_asks_for_an_operator_and_a_retry_goes_on() -> None:
    operation = ask()
    with script(three=fail(Final, times=1)) as done:
        drain()
        assert again(operation).state == "needs_attention"
        retry(operation.pk)
        drain()
    assert done == ["one", "two", "three", "three", "succeeded"]


def test_who_asks_to_cancel_behind_it_is_refused() -> None:
    operation = ask()

    def refused(ctx: StepContext) -> Data | None:
        with pytest.raises(NotCancellable, match="cannot be cancelled"):
            cancel(operation.pk)
        return None

    with script(three=refused):
        drain()
    assert again(operation).state == "succeeded"


@pytest.mark.parametrize(("step", "ends"), [("one", "cancelled"), ("two", "succeeded")])
def test_who_asked_while_a_step_acted_is_heard_at_its_end_unless_it_was_that_one(step: str, ends: str) -> None:
    operation = ask()

    def meanwhile(ctx: StepContext) -> Data | None:
        Operation.objects.filter(pk=operation.pk).update(cancel_requested=True)
        return None

    with script(**{step: meanwhile}):
        drain()
    assert again(operation).state == ends
    assert (again(operation).error_code == Cancelled.code) == (ends == "cancelled")
