"""What may be moved where, who may ask, and what is said to whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.move import move
from accelerators.services.power import stop
from accelerators.services.rebuild import reapply_limits
from accelerators.services.residents import Accelerators
from accelerators.states import MOVABLE, State
from accelerators.testing.world import World, make_world, number_of_port, unequal_sums
from accounts.actor import system
from mcp.errors import Conflict, Forbidden, InvalidInput, NotFound
from mcp.events.models import AuditEntry, Event
from mcp.ids import new_id
from mcp.operations.errors import OperationInProgress
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from mcp.tests.test_transitions import unguarded
from pods.errors import CapacityExhausted, PlacementContended
from pods.gear.simulated import SimulatedHypervisor
from pods.models import Allocation, Host, Pod
from pods.services import held_move
from pods.services.enrol import HostWish, add_host
from pods.services.held_move import hold
from pods.services.residents import begin_move, describe
from pods.services.room import Snatched

pytestmark = pytest.mark.django_db


def other(world: World, row: Accelerator) -> Host:
    return Host.objects.select_related("pod").exclude(accelerators=row).filter(pod=world.pod).order_by("name")[0]


def stopped_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a driver for real hosts."""
    capabilities = replace(SimulatedHypervisor.capabilities.fget(None), moves_running=False)  # type: ignore[attr-defined]  # a property
    monkeypatch.setattr(SimulatedHypervisor, "capabilities", property(lambda self: capabilities))


def test_asking_claims_the_room_and_tells_everybody_what_they_may_know(world: World) -> None:
    row = world.running()
    target = other(world, row)
    moved, operation = move(actor=system(), accelerator_id=row.pk, target=target)
    assert moved.state == State.MOVING
    held = Allocation.objects.get(holder_id=operation.pk)
    assert (held.host, held.memory_mib, held.account_id) == (target, row.memory_mib, row.account_id)
    assert {f"host:{row.host_id}", target.lane} <= set(operation.lanes)
    assert unequal_sums() == []
    told = Event.objects.get(operation_id=operation.pk, kind="accelerator.move.requested")
    assert target.name not in told.message
    assert AuditEntry.objects.get(operation_id=operation.pk).changes["host"][1] == target.name


def test_only_operators_move(world: World) -> None:
    row = world.running()
    with pytest.raises(Forbidden):
        move(actor=world.actor, accelerator_id=row.pk, target=other(world, row))
    with pytest.raises(NotFound):
        move(actor=system(), accelerator_id=new_id(), target=other(world, row))


@pytest.mark.parametrize("state", sorted(set(State.values) - MOVABLE))
def test_from_no_passing_state(world: World, state: str) -> None:
    row = world.running()
    extra = {"deleted_at": row.created_at} if state == State.DELETED else {}
    force(row, state=state, **extra)
    with pytest.raises(WrongState, match="cannot be moved now"):
        move(actor=system(), accelerator_id=row.pk, target=other(world, row))
    assert Allocation.objects.count() == 1


def force(row: Accelerator, **changes: object) -> None:
    unguarded(Accelerator, lambda: Accelerator.objects.filter(pk=row.pk).update(**changes))


def test_a_running_guest_on_a_real_host_is_refused_with_what_to_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = world.running()
    stopped_only(monkeypatch)
    with pytest.raises(WrongState, match="stop it first"):
        move(actor=system(), accelerator_id=row.pk, target=other(world, row))
    assert "stop it first" in describe([row.pk])[row.pk].blocked
    stop(actor=world.actor, accelerator_id=row.pk)
    drain()
    assert describe([row.pk])[row.pk].blocked == ""
    move(actor=system(), accelerator_id=row.pk, target=other(world, row))


def test_nowhere_but_to_another_host_of_its_pod(world: World) -> None:
    row = world.running()
    assert row.host is not None
    elsewhere = make_world(hosts=1, cidr="10.98.0.0/24")
    for target in (row.host, Host.objects.get(pod=elsewhere.pod)):
        with pytest.raises(InvalidInput) as refused:
            move(actor=system(), accelerator_id=row.pk, target=target)
        assert [error.field for error in refused.value.errors] == ["target"]
    mixed = other(world, row)
    mixed.driver = "lxc"
    with pytest.raises(InvalidInput, match="driver"):
        move(actor=system(), accelerator_id=row.pk, target=mixed)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"duty": "draining"}, "not taking guests"), ({"reachable": False}, "not taking guests"),
     ({"kinds": ["vm"]}, "not for zones"), ({"cap_memory_mib": 128}, "short of memory"), ({"cap_disk_gib": 1}, "short of disk")],
)  # fmt: skip
def test_a_host_that_may_not_take_it_is_refused_with_the_reason(world: World, change: dict[str, object], words: str) -> None:
    row = world.running()
    target = other(world, row)
    Host.objects.filter(pk=target.pk).update(**change)
    with pytest.raises(CapacityExhausted, match=words):
        move(actor=system(), accelerator_id=row.pk, target=target)
    assert Accelerator.objects.get(pk=row.pk).state == State.RUNNING
    assert not Operation.objects.filter(kind="accelerator.move").exists()


def test_n_plus_one_is_judged_as_it_will_be(world: World) -> None:
    """Two hosts: whatever one holds must fit beside what the other holds. The guest that moves does not count twice."""
    row = world.running()
    Pod.objects.update(n_plus_one=True)
    Host.objects.update(cap_memory_mib=row.memory_mib * 2 - 1)
    target = other(world, row)
    operation = move(actor=system(), accelerator_id=row.pk, target=target)[1]
    drain()
    assert Operation.objects.get(pk=operation.pk).state == "succeeded"
    third = make_third(world)
    Host.objects.exclude(pk=third.pk).update(duty="draining")
    with pytest.raises(CapacityExhausted, match="needed in case another host is lost"):
        move(actor=system(), accelerator_id=row.pk, target=third)


def make_third(world: World) -> Host:
    """One more host."""
    world.simulated.add_host("h3")
    options = world.pod.hosts.all()[0].options
    wish = HostWish("h3", world.pod, port=number_of_port(options["pod"]), name="h3", driver="simulated", options=options)
    return add_host(actor=system(), wish=wish)


def test_a_group_keeps_its_places_on_the_way(world: World) -> None:
    rows = [world.running(name, group="g", spread="host", spread_limit=1) for name in ("a", "b")]
    with pytest.raises(CapacityExhausted, match="already used by the group"):
        move(actor=system(), accelerator_id=rows[0].pk, target=other(world, rows[0]))
    third = make_third(world)
    move(actor=system(), accelerator_id=rows[0].pk, target=third)
    assert list(Allocation.objects.values_list("group_slot", flat=True)) == [0, 0, 0]
    drain()
    left = Allocation.objects.get(holder_id=rows[0].pk)
    assert (left.host, left.spread, left.group_slot) == (third, "host", 0)
    assert left.group.endswith(":g")


def test_a_group_spread_over_pods_moves_inside_its_pod(world: World) -> None:
    row = world.running(group="g", spread="pod", spread_limit=1)
    before = Allocation.objects.get(holder_id=row.pk)
    move(actor=system(), accelerator_id=row.pk, target=other(world, row))
    drain()
    after = Allocation.objects.get(holder_id=row.pk)
    assert (after.group, after.spread, after.group_slot) == (before.group, "pod", before.group_slot)
    assert after.host_id != before.host_id


def test_what_is_at_work_excludes_it_and_the_other_way_round(world: World) -> None:
    row = world.running()
    stop(actor=world.actor, accelerator_id=row.pk)
    with pytest.raises(WrongState):
        move(actor=system(), accelerator_id=row.pk, target=other(world, row))
    assert "at work on it" in Accelerators().describe([row.pk])[row.pk].blocked
    drain()
    reapply_limits(actor=system(), accelerator_id=row.pk)
    with pytest.raises(OperationInProgress):
        move(actor=system(), accelerator_id=row.pk, target=other(world, row))
    drain()
    move(actor=system(), accelerator_id=row.pk, target=other(world, row))
    with pytest.raises(WrongState, match="being moved"):
        reapply_limits(actor=system(), accelerator_id=row.pk)
    with pytest.raises(WrongState, match="for good"):
        delete(actor=world.actor, accelerator_id=row.pk)


def test_one_move_at_a_time_also_where_an_old_end_is_still_held(world: World) -> None:
    row = world.running()
    operation = move(actor=system(), accelerator_id=row.pk, target=other(world, row))[1]
    force(row, state=State.RUNNING)
    Operation.objects.filter(pk=operation.pk).update(state="cancelled", finished_at=operation.created_at)
    with pytest.raises(Conflict, match="still holds a host"):
        move(actor=system(), accelerator_id=row.pk, target=other(world, row))


def test_holding_twice_is_holding_once_and_a_lost_race_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = world.running()
    allocation, move_id = Allocation.objects.get(holder_id=row.pk), new_id()
    first = hold(allocation=allocation, target=other(world, row), move_id=move_id)
    assert hold(allocation=allocation, target=other(world, row), move_id=move_id) == first

    def snatched(*args: object, **kwargs: object) -> None:
        raise Snatched

    monkeypatch.setattr(held_move, "take_from", snatched)
    with pytest.raises(PlacementContended):
        hold(allocation=allocation, target=other(world, row), move_id=new_id())


def test_residents_are_known_by_name_and_strangers_are_not(world: World) -> None:
    row = world.running("web")
    stranger = new_id()
    found = describe([row.pk, stranger])
    assert {pk: (one.name, one.blocked) for pk, one in found.items()} == {row.pk: ("web", "")}
    assert begin_move(actor=system(), holder_id=stranger, target=other(world, row)) is None
    Host.objects.update(reachable=False)
    assert "does not answer" in describe([row.pk])[row.pk].blocked
