"""The way back of a move, and what lies on both hosts at each moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from accelerators.models import Accelerator
from accelerators.operations.move import MoveAccelerator
from accelerators.services.delete import delete
from accelerators.services.move import move
from accelerators.services.power import start, stop
from accelerators.services.reconcile import reconcile_host
from accelerators.states import State
from accelerators.testing.world import World, unclean, unequal_sums
from accounts.actor import system
from mcp.events.models import Event
from mcp.operations.crash import install
from mcp.operations.engine import run
from mcp.operations.errors import NotCancellable
from mcp.operations.models import Operation
from mcp.operations.services.cancel import cancel
from mcp.operations.services.retry import retry
from mcp.testing.drain import drain, next_due
from mcp.testing.proofs import prove_repeatable, prove_survives_crashes
from pods.gear import errors
from pods.models import Allocation, DriftFinding, Host
from pods.services.gear import hypervisor_of

pytestmark = pytest.mark.django_db
KIND = MoveAccelerator.name


def other(world: World, row: Accelerator) -> Host:
    return Host.objects.select_related("pod").exclude(accelerators=row).get(pod=world.pod)


def begin(world: World, state: State = State.RUNNING) -> UUID:
    row = world.running()
    if state is not State.RUNNING:
        stop(actor=world.actor, accelerator_id=row.pk)
        drain()
    if state is State.TRASHED:
        delete(actor=world.actor, accelerator_id=row.pk)
        drain()
    return move(actor=system(), accelerator_id=row.pk, target=other(world, row))[1].pk


def where_it_was(world: World) -> Callable[[Operation], None]:
    def check(operation: Operation) -> None:
        assert operation.settled, operation
        row = Accelerator.objects.get(pk=operation.target_id)
        if operation.state == "failed":
            assert str(row.host_id) == operation.params["from"]
        assert row.state == State.RUNNING
        assert row.host is not None
        seen = hypervisor_of(row.host).observe(str(row.pk))
        assert seen is not None
        assert (seen.power.value, seen.uid_slot) == ("running", row.uid_slot)
        assert unclean(world, expected=frozenset({str(row.pk)})) == []
        delete(actor=world.actor, accelerator_id=row.pk, now=True)
        drain()
        assert unclean(world) == []

    return check


def test_the_way_back_survives_a_death_between_any_two_steps(world: World) -> None:
    points = prove_survives_crashes(KIND, lambda: begin(world), where_it_was(world), fail_at="copy")
    assert points >= 8


def test_every_undo_can_be_repeated(world: World) -> None:
    prove_repeatable(KIND, lambda: begin(world), where_it_was(world), fail_at="copy")


@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED, State.TRASHED])
def test_it_comes_back_to_the_state_it_was_in_with_all_it_had(world: World, state: State) -> None:
    operation_id = begin(world, state)
    operation = Operation.objects.get(pk=operation_id)
    before = Accelerator.objects.get(pk=operation.target_id)
    assert before.state == State.MOVING
    held = {str(row.host_id): str(row.holder_id) for row in Allocation.objects.all()}
    assert held == {operation.params["from"]: str(before.pk), operation.params["to"]: str(operation_id)}
    world.host_of(before).write_file(str(before.pk), "/root/letter", "dear all")
    old = world.host_of(before).state().guests[f"mcp-{before.pk}"]
    drain()
    row = Accelerator.objects.get(pk=before.pk)
    assert (row.state, str(row.host_id)) == (state, operation.params["to"])
    new = world.host_of(row).state().guests[f"mcp-{row.pk}"]
    assert new.files == {"/root/letter": "dear all"}
    assert (new.addresses, new.macs, new.hostname, new.ssh_keys, new.limits) == (
        old.addresses, old.macs, old.hostname, old.ssh_keys, old.limits,
    )  # fmt: skip
    assert (new.running, new.uid_slot) == (state is State.RUNNING, row.uid_slot)
    assert unclean(world, expected=frozenset({str(row.pk)})) == []
    assert Event.objects.filter(target_id=row.pk, kind="accelerator.moved").exists()
    if state is State.STOPPED:
        start(actor=world.actor, accelerator_id=row.pk)
        drain()
        assert Accelerator.objects.get(pk=row.pk).state == State.RUNNING


def until_after(step: str) -> Operation:
    """Run until the step is done, then as if the worker went away between two steps."""
    operation = next_due()
    assert operation is not None

    def die(kind: str, name: str, place: str) -> None:
        if name == _next(step) and place == "before-act":
            raise KeyboardInterrupt

    install(die)
    try:
        with suppress(KeyboardInterrupt):
            run(operation)
    finally:
        install(None)
    operation.refresh_from_db()
    return operation


def _next(step: str) -> str:
    names = [one.name for one in MoveAccelerator.steps]
    return names[names.index(step) + 1]


@pytest.mark.parametrize("done", ["stop", "switch", "reach"])
def test_a_deletion_replaces_a_move_and_cleans_both_hosts(world: World, done: str) -> None:
    begin(world)
    operation = until_after(done)
    delete(actor=world.actor, accelerator_id=operation.target_id, now=True)
    drain()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("cancelled", "operation.superseded")
    assert unclean(world) == []


def test_both_ends_are_held_until_the_old_host_is_clean(world: World) -> None:
    begin(world)
    operation = until_after("reach")
    row = Accelerator.objects.get(pk=operation.target_id)
    held = {str(one.host_id): one.holder_id for one in Allocation.objects.all()}
    assert held == {operation.params["to"]: row.pk, operation.params["from"]: operation.pk}
    assert len(Host.objects.filter(guests=1)) == 2
    assert unequal_sums() == []


@pytest.mark.parametrize("done", ["stop", "switch"])
def test_neither_host_reports_a_stranger_meanwhile(world: World, done: str) -> None:
    begin(world)
    until_after(done)
    for host in Host.objects.select_related("pod").filter(pod=world.pod):
        reconcile_host(host)
    assert not DriftFinding.objects.exists()


def test_it_is_cancelled_before_the_switch_and_not_after(world: World) -> None:
    first = begin(world)
    until_after("stop")
    cancel(first)
    Operation.objects.filter(pk=first).update(lease_until=Operation.objects.get(pk=first).created_at)
    drain()
    operation = Operation.objects.get(pk=first)
    row = Accelerator.objects.get(pk=operation.target_id)
    assert (operation.state, row.state, str(row.host_id)) == ("cancelled", State.RUNNING, operation.params["from"])
    assert unclean(world, expected=frozenset({str(row.pk)})) == []
    second = move(actor=system(), accelerator_id=row.pk, target=other(world, row))[1].pk
    until_after("switch")
    with pytest.raises(NotCancellable):
        cancel(second)
    Operation.objects.filter(pk=second).update(cancel_requested=True, lease_until=operation.created_at)
    drain()
    assert Operation.objects.get(pk=second).state == "succeeded"


@pytest.mark.parametrize(
    ("verb", "host", "error"),
    [("export", "from", "GearUnknown"), ("receive", "to", "GearUnknown"), ("destroy", "from", "GearUnreachable"),
     ("receive", "to", "CargoDamaged"), ("start", "to", "GearUnreachable")],
)  # fmt: skip
@pytest.mark.parametrize("after", [False, True])
def test_passing_troubles_pass(world: World, verb: str, host: str, error: str, after: bool) -> None:
    operation_id = begin(world)
    params: dict[str, Any] = Operation.objects.get(pk=operation_id).params
    world.host(Host.objects.get(pk=params[host]).name).fail_next(verb, getattr(errors, error), after_effect=after)
    drain()
    operation = Operation.objects.get(pk=operation_id)
    assert operation.state == "succeeded", operation.operator_detail
    assert unclean(world, expected=frozenset({str(operation.target_id)})) == []


def test_a_new_host_without_room_after_all_leaves_everything_as_it_was(world: World) -> None:
    operation_id = begin(world)
    params = Operation.objects.get(pk=operation_id).params
    world.host(Host.objects.get(pk=params["to"]).name).fail_next("receive", errors.DiskFull)
    drain()
    operation = Operation.objects.get(pk=operation_id)
    row = Accelerator.objects.get(pk=operation.target_id)
    assert (operation.state, operation.error_code) == ("failed", "gear.disk_full")
    assert (row.state, str(row.host_id)) == (State.RUNNING, params["from"])
    assert unclean(world, expected=frozenset({str(row.pk)})) == []
    message = Event.objects.get(target_id=row.pk, kind="accelerator.move_failed").message
    assert "It is where it was." in message
    assert not any(name in message for name in Host.objects.values_list("name", flat=True))


def test_stuck_behind_the_switch_it_waits_for_an_operator_and_then_finishes(world: World) -> None:
    operation_id = begin(world)
    params = Operation.objects.get(pk=operation_id).params
    world.host(Host.objects.get(pk=params["from"]).name).fail_next("destroy", errors.GearRefused)
    drain()
    operation = Operation.objects.get(pk=operation_id)
    assert operation.state == "needs_attention"
    retry(operation_id)
    drain()
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert unclean(world, expected=frozenset({str(operation.target_id)})) == []
