"""Rebalancing a pod of simulated hosts."""

from __future__ import annotations

import pytest

from accelerators.testing.world import World, unequal_sums
from accounts.actor import system
from mcp.errors import Conflict, Forbidden, InvalidInput
from pods.models import Host, Move
from pods.services.move_runs import counts_of
from pods.services.rebalance import rebalance
from pods.states import MoveRunState, MoveState
from pods.tests.services.test_evacuate import another, carry_on, full_host, on

pytestmark = pytest.mark.django_db


def test_a_pod_becomes_even_and_then_there_is_nothing_to_do(world: World) -> None:
    host = full_host(world, 4)
    run = rebalance(actor=system(), pod=world.pod, minimum_gain=0.001)
    assert counts_of(run)["planned"] == 2
    assert all(move.gain and move.gain >= 0.001 for move in Move.objects.filter(run=run))
    assert carry_on(run).state == MoveRunState.FINISHED
    assert (on(host), on(Host.objects.get(name="h2"))) == (2, 2)
    assert unequal_sums() == []
    again = rebalance(actor=system(), pod=world.pod, minimum_gain=0.001)
    assert (again.state, Move.objects.filter(run=again).count()) == (MoveRunState.FINISHED, 0)


def test_moves_that_gain_too_little_are_not_made(world: World) -> None:
    full_host(world, 4)
    assert rebalance(actor=system(), pod=world.pod, minimum_gain=0.5).state == MoveRunState.FINISHED
    assert not Move.objects.exists()


def test_hosts_of_another_driver_are_left_out(world: World) -> None:
    full_host(world, 2)
    another(world, "h3")
    Host.objects.filter(name="h2").update(driver="lxc")
    run = rebalance(actor=system(), pod=world.pod, minimum_gain=0.001)
    assert {move.target.name for move in Move.objects.filter(run=run) if move.target} == {"h3"}


def test_a_place_that_is_gone_ends_that_move(world: World) -> None:
    full_host(world, 2)
    run = rebalance(actor=system(), pod=world.pod, minimum_gain=0.001)
    Host.objects.filter(name="h2").update(duty="draining")
    assert carry_on(run).state == MoveRunState.FINISHED
    assert Move.objects.get(run=run).state == MoveState.STUCK


def test_only_operators_one_at_a_time_and_in_range(world: World) -> None:
    full_host(world, 2)
    with pytest.raises(Forbidden):
        rebalance(actor=world.actor, pod=world.pod)
    with pytest.raises(InvalidInput) as refused:
        rebalance(actor=system(), pod=world.pod, minimum_gain=0)
    assert refused.value.errors[0].field == "minimum_gain"
    rebalance(actor=system(), pod=world.pod, minimum_gain=0.001)
    with pytest.raises(Conflict):
        rebalance(actor=system(), pod=world.pod, minimum_gain=0.001)
