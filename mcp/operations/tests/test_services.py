"""Submitting, claiming, lanes, fairness, cancelling, retrying, sweeping."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from mcp.errors import NotFound
from mcp.ids import new_id
from mcp.operations.context import StepContext
from mcp.operations.engine import run
from mcp.operations.errors import Again, NotCancellable, NotRetryable, OperationInProgress
from mcp.operations.kinds import Data
from mcp.operations.models import Lane, Operation, Ticket
from mcp.operations.services import sweep as sweeping
from mcp.operations.services.cancel import cancel
from mcp.operations.services.claim import CANDIDATES, _count_turns, _turns, claim, claim_exactly, claim_next, due
from mcp.operations.services.retry import retry, retry_lane
from mcp.operations.services.submit import Target, Wish, submit_many
from mcp.operations.states import TRANSITIONS, OperationState
from mcp.operations.stopping import resume_claiming, stop_claiming
from mcp.operations.tests.scripted import ask, script
from mcp.testing.drain import drain, expire_leases

pytestmark = pytest.mark.django_db


def test_one_exclusive_operation_a_target() -> None:
    first = ask()
    with pytest.raises(OperationInProgress) as refused:
        ask(target=first.target_id)
    assert refused.value.context["operation"] == str(first.pk)
    assert Operation.objects.count() == 1


def test_the_database_itself_refuses_a_second_exclusive_operation() -> None:
    first = ask()
    twin = Operation.objects.get(pk=first.pk)
    twin.pk = new_id()
    twin._state.adding = True
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_a_deletion_replaces_what_is_at_work_and_carries_a_higher_fence() -> None:
    first = ask(lanes=("host:a",))
    running = claim_exactly(first.pk, owner="w")
    assert running is not None
    second = ask("test.replacing", target=first.target_id)
    first.refresh_from_db()
    assert (first.state, first.error_code) == ("cancelled", "operation.superseded")
    assert not Ticket.objects.exists()
    with script() as done:
        assert run(running) is None  # the old worker finds out at its first write
        assert done == []
        taken = claim_exactly(second.pk, owner="w2")
        assert taken is not None
        assert taken.fence > running.fence


def test_one_that_yields_is_replaced_by_whom_it_yields_to_and_by_nobody_else() -> None:
    first = ask("test.yielding")
    with pytest.raises(OperationInProgress) as refused:
        ask("test.yielding", target=first.target_id)
    assert "wait for it." in refused.value.detail, "it cannot be cancelled, so nobody is told to"
    second = ask(target=first.target_id)
    first.refresh_from_db()
    assert (first.state, first.error_code, second.state) == ("cancelled", "operation.superseded", "queued")
    with pytest.raises(OperationInProgress, match="or cancel it"):
        ask("test.yielding", target=first.target_id)


def test_what_waits_for_an_operator_never_blocks() -> None:
    first = ask()
    running = claim_exactly(first.pk, owner="w")
    assert running is not None
    Operation.objects.filter(pk=first.pk).update(state="needs_attention", lease_until=None)
    second = ask(target=first.target_id)
    first.refresh_from_db()
    assert first.state == "cancelled"
    assert second.state == "queued"


def test_claiming_is_exclusive_and_fences_grow_with_each_take_over() -> None:
    operation = ask()
    first = claim_exactly(operation.pk, owner="a")
    assert first is not None
    assert (first.fence, first.attempt, first.lease_owner) == (1, 1, "a")
    assert claim_exactly(operation.pk, owner="b") is None
    expire_leases()
    second = claim_exactly(operation.pk, owner="b")
    assert second is not None
    assert (second.fence, second.attempt, second.lease_owner) == (2, 2, "b")
    assert second.started_at == first.started_at


def test_what_is_parked_is_not_claimed_before_its_time() -> None:
    operation = ask()
    Operation.objects.filter(pk=operation.pk).update(not_before=timezone.now() + timedelta(minutes=1))
    assert claim_exactly(operation.pk, owner="a") is None
    assert claim_next("mcp", owner="a") is None


def test_lanes_bound_what_runs_and_say_who_waits_for_what() -> None:
    Lane.objects.create(name="host:a", limit=2)
    operations = [ask(lanes=("host:a", "pod:p")) for _ in range(3)]
    taken = [claim_exactly(operation.pk, owner="w") for operation in operations]
    assert [one is not None for one in taken] == [True, True, False]
    operations[2].refresh_from_db()
    assert operations[2].message == "Waiting for its turn: the host is busy."
    assert Ticket.objects.filter(lane="host:a").count() == 2
    with script():
        assert taken[0] is not None
        run(taken[0])
    assert claim_exactly(operations[2].pk, owner="w") is not None


def test_a_take_over_keeps_its_places_and_needs_no_new_ones() -> None:
    Lane.objects.create(name="host:a", limit=1)
    operation = ask(lanes=("host:a",))
    assert claim_exactly(operation.pk, owner="w") is not None
    expire_leases()
    assert claim_exactly(operation.pk, owner="w2") is not None
    assert Ticket.objects.count() == 1


def test_the_default_of_a_lane_comes_from_its_scope(settings: Settings) -> None:
    settings.LANE_DEFAULTS = {"host": 3}
    assert Lane(name="host:x").allowed == 3
    assert Lane(name="host:x", limit=9).allowed == 9


def test_a_burst_of_one_account_does_not_starve_another() -> None:
    greedy, modest = new_id(), new_id()
    burst = [ask(account=greedy) for _ in range(5)]
    late = ask(account=modest)
    order = []
    for operation in burst:
        taken = claim(operation.pk, owner="w")
        assert taken is not None
        order.append(taken.account_id)
    assert order.index(modest) <= 1
    assert Operation.objects.get(pk=late.pk).state == "running"


def test_nobody_waits_behind_a_burst_longer_than_what_a_worker_looks_at() -> None:
    greedy, modest, nobody = new_id(), new_id(), None
    burst = [ask(account=greedy) for _ in range(CANDIDATES + 5)]
    late = [ask(account=modest), ask(account=modest), ask(account=nobody)]
    order = [claim_next("mcp", owner="w") for _ in range(len(burst) + len(late))]
    accounts = [taken.account_id for taken in order if taken is not None]
    assert sorted(accounts[:3], key=str) == sorted([greedy, modest, nobody], key=str)
    assert sorted(accounts[3:5], key=str) == sorted([greedy, modest], key=str)
    assert accounts[5:] == [greedy] * (CANDIDATES + 3)
    of_greedy = [taken.pk for taken in order if taken is not None and taken.account_id == greedy]
    assert of_greedy == [operation.pk for operation in burst]


def test_few_that_wait_take_turns_as_many_do() -> None:
    accounts = [new_id(), None, new_id()]
    for account in (0, 0, 0, 1, 2, 2, 1, 0):
        ask(account=accounts[account])
    assert claim_next("mcp", owner="w") is not None  # one of the first account runs
    now = timezone.now()
    waiting = Operation.objects.filter(due(now), queue="mcp")
    few = list(waiting.order_by("not_before", "id").values_list("id", "account_id"))
    assert sorted(_count_turns(few)) == sorted(_turns(waiting))


@pytest.mark.parametrize(("mine", "theirs"), [("a", "b"), (None, "b"), ("a", None)])
def test_a_message_gives_way_to_another_account_and_no_account_is_one(mine: str | None, theirs: str | None) -> None:
    ids = {"a": new_id(), "b": new_id(), None: None}
    for _ in range(2):
        ask(account=ids[mine])
    own, other = ask(account=ids[mine]), ask(account=ids[theirs])
    assert claim_next("mcp", owner="w") is not None
    taken = claim(own.pk, owner="w")
    assert taken is not None
    assert taken.pk == other.pk
    only_own_wait = claim(own.pk, owner="w")
    assert only_own_wait is not None
    assert only_own_wait.pk == own.pk


def test_a_claimed_operation_is_what_the_database_says() -> None:
    operation = ask(lanes=("host:a",))
    for owner in ("w", "w2"):
        taken = claim_exactly(operation.pk, owner=owner)
        assert taken is not None
        stored = Operation.objects.get(pk=operation.pk)
        for one in Operation._meta.concrete_fields:
            assert getattr(taken, one.attname) == getattr(stored, one.attname), one.attname
        expire_leases()


def test_fences_grow_over_all_operations_of_a_target() -> None:
    first = ask()
    for _ in range(3):
        assert claim_exactly(first.pk, owner="w") is not None
        expire_leases()
    second = ask("test.replacing", target=first.target_id)
    taken = claim_exactly(second.pk, owner="w")
    assert taken is not None
    assert taken.fence == 4
    other = claim_exactly(ask().pk, owner="w")
    assert other is not None
    assert other.fence == 1


def test_what_an_operation_costs_in_round_trips(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Each is CPU of a worker and of the database: most of what a create costs."""
    ask(lanes=("host:a",))
    with script():
        drain()
    operation = ask(lanes=("host:a",))
    with django_assert_num_queries(7):  # SAVEPOINT, the row, lanes, tickets, ticket, lease, RELEASE
        taken = claim(operation.pk, owner="w")
    assert taken is not None
    with script(), django_assert_num_queries(8):  # a write a step; SAVEPOINT, end, places, event, RELEASE
        run(taken)
    with django_assert_num_queries(1):
        assert claim_next("mcp", owner="w") is None


def test_targets_made_just_now_are_not_looked_at(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    wish = Wish("test.scripted", Target("thing", new_id(), "a thing"))
    with transaction.atomic(), django_assert_num_queries(1):
        (operation,) = submit_many([wish], actor="tester", new_targets=True)
    with pytest.raises(OperationInProgress):
        ask(target=operation.target_id)


def test_a_message_about_settled_work_makes_a_worker_take_what_waits() -> None:
    first, second = ask(), ask()
    with script():
        taken = claim_exactly(first.pk, owner="w")
        assert taken is not None
        run(taken)
    found = claim(first.pk, owner="w")
    assert found is not None
    assert found.pk == second.pk
    assert claim(new_id(), owner="w") is None


def test_a_worker_takes_only_from_its_queue() -> None:
    ask(queue="pod-a")
    assert claim_next("mcp", owner="w") is None
    assert claim_next("pod-a", owner="w") is not None


def test_cancelling_what_waits_settles_it_without_a_step() -> None:
    operation = ask()
    cancel(operation.pk)
    with script() as done:
        drain()
    operation.refresh_from_db()
    assert done == ["cancelled"]
    assert (operation.state, operation.error_code) == ("cancelled", "operation.cancelled")


def test_cancelling_what_runs_turns_it_back_at_the_next_step() -> None:
    operation = ask()

    def cancel_from_within(ctx: StepContext) -> Data | None:
        cancel(operation.pk)
        return None

    with script(one=cancel_from_within) as done:
        drain()
    assert done == ["one", "undo one", "cancelled"]


def test_a_cancelled_step_is_not_begun_and_what_was_begun_before_stays_owed() -> None:
    operation = ask()

    def park_then_cancel(ctx: StepContext) -> Data | None:
        raise Again(0.0, "Still waiting.")

    with script(two=park_then_cancel) as done:
        taken = claim_exactly(operation.pk, owner="w")
        assert taken is not None
        run(taken)
        cancel(operation.pk)
        drain()
    operation.refresh_from_db()
    assert done == ["one", "two", "undo two", "undo one", "cancelled"]
    assert [(step.state, step.attempt) for step in operation.steps] == [("undone", 2), ("undone", 2), ("skipped", 0)]


def test_a_stopping_worker_still_honours_a_cancellation() -> None:
    operation = ask()
    taken = claim_exactly(operation.pk, owner="w")
    assert taken is not None
    cancel(operation.pk)
    stop_claiming()
    try:
        with script() as done:
            run(taken)
    finally:
        resume_claiming()
    assert done == ["cancelled"]


def test_what_cannot_be_cancelled_says_so() -> None:
    with pytest.raises(NotCancellable, match="Replacing cannot be cancelled"):
        cancel(ask("test.replacing").pk)
    operation = ask()
    with script():
        drain()
    with pytest.raises(NotCancellable, match="has succeeded"):
        cancel(operation.pk)


def test_another_accounts_operation_does_not_exist() -> None:
    operation = ask(account=new_id())
    for verb in (cancel, retry):
        with pytest.raises(NotFound):
            verb(operation.pk, account_id=new_id())


def test_only_what_needs_attention_is_retried() -> None:
    with pytest.raises(NotRetryable, match="is queued"):
        retry(ask().pk)


def test_a_host_that_came_back_wakes_what_waited_for_it() -> None:
    here, there, other = ask(lanes=("host:a",)), ask(lanes=("host:b",)), ask(lanes=("host:a",))
    for operation, code in ((here, "gear.unreachable"), (there, "gear.unreachable"), (other, "gear.refused")):
        taken = claim_exactly(operation.pk, owner="w")
        assert taken is not None
        Operation.objects.filter(pk=operation.pk).update(state="needs_attention", error_code=code, lease_until=None)
    paused = ask(lanes=("host:a",))
    later = timezone.now() + timedelta(minutes=5)
    Operation.objects.filter(pk=paused.pk).update(troubled_since=timezone.now(), not_before=later)
    assert retry_lane("host:a", "gear.unreachable") == 2
    due_now = Operation.objects.filter(state="queued", not_before__lte=timezone.now())
    assert set(due_now.values_list("pk", flat=True)) == {here.pk, paused.pk}


def test_the_sweeper_wakes_what_is_due_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []

    def note(routes: Iterable[tuple[str, str]]) -> int:
        woken.extend(pk for pk, _ in routes)
        return len(woken)

    monkeypatch.setattr(sweeping, "publish", note)
    fresh, lost, dead = ask(), ask(), ask()
    Operation.objects.filter(pk=lost.pk).update(not_before=timezone.now() - timedelta(seconds=10))
    assert claim_exactly(dead.pk, owner="w") is not None
    expire_leases()
    sweeping.sweep()
    sweeping.sweep()
    assert sorted(woken) == sorted([str(lost.pk), str(dead.pk)])
    assert str(fresh.pk) not in woken


def test_the_database_refuses_transitions_that_the_table_lacks() -> None:
    operation = ask()
    with script():
        drain()
    assert TRANSITIONS[OperationState.SUCCEEDED] == frozenset()
    with pytest.raises(IntegrityError), transaction.atomic():
        Operation.objects.filter(pk=operation.pk).update(state="queued")
