"""How the engine carries operations out, and what it does when something goes wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from mcp.errors import ControlPlaneError, Retry
from mcp.events.models import Event
from mcp.operations.context import StepContext
from mcp.operations.engine import backoff, run
from mcp.operations.errors import Again
from mcp.operations.kinds import Data
from mcp.operations.models import Operation, Ticket
from mcp.operations.services.claim import claim_exactly
from mcp.operations.services.retry import retry
from mcp.operations.states import OperationState
from mcp.operations.tests.scripted import Behaviour, ask, script
from mcp.testing.drain import drain, expire_leases

pytestmark = pytest.mark.django_db


class Passing(ControlPlaneError):
    code = "test.passing"
    title = "It will pass"
    retry = Retry.LATER


class Final(ControlPlaneError):
    code = "test.final"
    title = "It will not pass"


def fail(error: type[ControlPlaneError], *, times: int = 1_000_000) -> Behaviour:
    left = [times]

    def behaviour(ctx: StepContext) -> Data | None:
        left[0] -= 1
        if left[0] >= 0:
            raise error("for the test")
        return {"recovered": True}

    return behaviour


def again(operation: Operation) -> Operation:
    return Operation.objects.get(pk=operation.pk)


def test_steps_run_in_order_and_leave_a_journal() -> None:
    operation = ask()
    with script() as done:
        drain()
    assert done == ["one", "two", "three", "succeeded"]
    settled = again(operation)
    assert (settled.state, settled.progress, settled.error_code) == ("succeeded", 100, "")
    assert [(step.name, step.state, step.attempt, step.data) for step in settled.steps] == [
        (name, "done", 1, {"did": name}) for name in ("one", "two", "three")
    ]
    assert all(step.started_at and step.finished_at for step in settled.steps)
    assert Event.objects.get(operation_id=operation.pk).kind == "operation.succeeded"


def test_a_final_error_undoes_newest_first_and_fails() -> None:
    operation = ask()
    with script(two=fail(Final)) as done:
        drain()
    assert done == ["one", "two", "undo two", "undo one", "failed"]
    failed = again(operation)
    assert (failed.state, failed.error_code, failed.error_retryable) == ("failed", "test.final", False)
    assert failed.error_message == "Doing as told: It will not pass."
    assert "for the test" in failed.operator_detail
    assert [step.state for step in failed.steps] == ["undone", "undone", "skipped"]


def test_a_passing_error_is_tried_again_until_it_passes() -> None:
    operation = ask()
    with script(two=fail(Passing, times=3)) as done:
        drain()
    assert done == ["one", "two", "two", "two", "two", "three", "succeeded"]
    settled = again(operation)
    assert settled.steps[1].attempt == 4
    assert settled.steps[1].data == {"recovered": True}
    assert settled.troubled_since is None


def test_out_of_patience_it_asks_for_an_operator_and_a_retry_goes_on_where_it_stopped(settings: Settings) -> None:
    operation = ask()
    with script(two=fail(Passing, times=2)) as done:
        taken = claim_exactly(operation.pk, owner="w")
        assert taken is not None
        assert run(taken) is not None
        Operation.objects.filter(pk=operation.pk).update(
            troubled_since=timezone.now() - timedelta(seconds=settings.OPERATIONS["patience_s"] + 1)
        )
        drain()
        waiting = again(operation)
        assert waiting.state == OperationState.NEEDS_ATTENTION
        assert (waiting.error_code, waiting.error_retryable) == ("test.passing", True)
        assert not waiting.settled
        assert not Ticket.objects.exists()
        retry(operation.pk)
        drain()
    assert done == ["one", "two", "two", "two", "three", "succeeded"]
    assert again(operation).state == "succeeded"


def test_an_undo_that_fails_for_good_is_visible_and_can_be_retried() -> None:
    operation = ask()
    with script(two=fail(Final), undo_one=fail(Final, times=1)) as done:
        drain()
        assert again(operation).state == OperationState.NEEDS_ATTENTION
        assert again(operation).undoing
        retry(operation.pk)
        drain()
    assert done == ["one", "two", "undo two", "undo one", "undo one", "failed"]


def test_a_defect_in_a_step_ends_settled_not_stuck() -> None:
    def crash(ctx: StepContext) -> Data | None:
        raise ZeroDivisionError("a bug")

    operation = ask()
    with script(two=crash):
        drain()
    failed = again(operation)
    assert (failed.state, failed.error_code) == ("failed", "internal.error")
    assert "ZeroDivisionError" in failed.operator_detail
    assert "ZeroDivisionError" not in failed.error_message


def test_again_gives_the_worker_back_and_its_time_limit_holds() -> None:
    def not_yet(ctx: StepContext) -> Data | None:
        raise Again(0.0, "Still waiting.")

    operation = ask()
    with script(three=not_yet) as done:
        taken = claim_exactly(operation.pk, owner="w")
        assert taken is not None
        assert run(taken) == 0.0
        parked = again(operation)
        assert (parked.state, parked.message, parked.lease_owner) == ("queued", "Still waiting.", "")
        long_ago = (timezone.now() - timedelta(seconds=5)).isoformat()
        journal = parked.journal
        journal[2]["started_at"] = long_ago
        Operation.objects.filter(pk=operation.pk).update(journal=journal)
        drain()
    assert done[-3:] == ["undo two", "undo one", "failed"]
    assert again(operation).error_code == "operation.step_timed_out"


def test_a_worker_that_lost_its_lease_writes_nothing_more() -> None:
    operation = ask()

    def taken_over(ctx: StepContext) -> Data | None:
        expire_leases()
        assert claim_exactly(operation.pk, owner="other") is not None
        return {"from": "the slow worker"}

    with script(two=taken_over) as done:
        slow = claim_exactly(operation.pk, owner="slow")
        assert slow is not None
        assert run(slow) is None
    now = again(operation)
    assert done == ["one", "two"]
    assert (now.state, now.lease_owner, now.fence) == ("running", "other", 2)
    assert now.steps[1].data == {}


def test_the_pause_grows_is_bounded_and_jittered(settings: Settings) -> None:
    first, most = settings.OPERATIONS["backoff_first_s"], settings.OPERATIONS["backoff_most_s"]
    early, late = [backoff(1) for _ in range(50)], [backoff(40) for _ in range(50)]
    assert max(early) <= first + 2 * first
    assert max(late) <= first + most
    assert len(set(late)) > 40
    assert sum(late) > sum(early)


def test_an_operation_that_may_not_give_up_asks_for_an_operator() -> None:
    operation = ask("test.replacing")
    with script(only=fail(Final, times=1)):
        drain()
        assert again(operation).state == OperationState.NEEDS_ATTENTION
        retry(operation.pk)
        drain()
    assert again(operation).state == "succeeded"
