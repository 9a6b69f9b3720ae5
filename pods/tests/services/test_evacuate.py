"""Evacuations from end to end on simulated hosts: the plan, the moves, and everything that comes in between."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.power import stop
from accelerators.states import State
from accelerators.testing.world import World, make_world, number_of_port, unclean, unequal_sums
from accounts.actor import system
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.models import AuditEntry, Event
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.gear.errors import DiskFull, GearRefused
from pods.models import Allocation, Host, Move, MoveRun
from pods.services.advance_moves import advance_moves
from pods.services.enrol import HostWish, add_host
from pods.services.evacuate import evacuate
from pods.services.move_runs import counts_of
from pods.services.steer_moves import abort_moves, pause_moves, resume_moves
from pods.states import HostDuty, MoveRunState, MoveState

pytestmark = pytest.mark.django_db


def another(world: World, name: str, **facts: Any) -> Host:
    """One more host in the world."""
    world.simulated.add_host(name, **facts)
    options = world.pod.hosts.all()[0].options
    wish = HostWish(name, world.pod, port=number_of_port(options["pod"]), name=name, driver="simulated", options=options)
    return add_host(actor=system(), wish=wish)


def full_host(world: World, number: int = 3) -> Host:
    """h1 with all guests on it, h2 empty."""
    h1, h2 = Host.objects.filter(pod=world.pod).order_by("name")
    Host.objects.filter(pk=h2.pk).update(duty="maintenance")
    for n in range(number):
        world.running(f"web-{n}")
    Host.objects.filter(pk=h2.pk).update(duty="active")
    return h1


def carry_on(run: MoveRun, *, until: Callable[[], bool] | None = None) -> MoveRun:
    """Clock and workers in turn, until it has ended; never more rounds than there can be."""
    for _ in range(50):
        advance_moves()
        drain()
        run.refresh_from_db()
        if not run.live or (until is not None and until()):
            return run
    raise AssertionError(f"{run} does not end: {counts_of(run)}")


def on(host: Host) -> int:
    host.refresh_from_db()
    assert host.guests == Allocation.objects.filter(host=host).count()
    return host.guests


def test_a_host_is_emptied_and_stays_draining(world: World) -> None:
    host = full_host(world)
    run = evacuate(actor=system(), host=host, reason="new fans")
    assert (run.state, counts_of(run)["planned"], run.estimated_s > 0) == ("running", 3, True)
    assert {line["host"] for line in run.picture} == {"h1", "h2"}
    assert carry_on(run).state == MoveRunState.FINISHED
    assert on(host) == 0
    assert host.duty == HostDuty.DRAINING
    assert counts_of(run)["moved"] == 3
    assert set(Accelerator.objects.values_list("state", "host__name")) == {("running", "h2")}
    expected = frozenset(str(pk) for pk in Accelerator.objects.values_list("pk", flat=True))
    assert unclean(world, expected=expected) == []
    assert AuditEntry.objects.get(action="moves.evacuation").changes["reason"] == "new fans"
    assert set(Event.objects.filter(target_id=host.pk).values_list("kind", flat=True)) >= {
        "evacuation.begun", "evacuation.finished", "host.draining",
    }  # fmt: skip


def test_an_empty_host_is_evacuated_at_once(world: World) -> None:
    run = evacuate(actor=system(), host=Host.objects.get(name="h1"))
    assert (run.state, counts_of(run)["moved"]) == (MoveRunState.FINISHED, 0)


def test_a_rehearsal_leaves_nothing(world: World) -> None:
    host = full_host(world)
    with transaction.atomic():
        run = evacuate(actor=system(), host=host)
        assert Move.objects.filter(run=run).count() == 3
        transaction.set_rollback(True)
    assert not MoveRun.objects.exists()
    host.refresh_from_db()
    assert host.duty == HostDuty.ACTIVE


def test_no_more_at_once_than_asked_nor_than_a_host_bears(world: World, settings: Any) -> None:
    host = full_host(world, 4)
    settings.MOVES_PER_HOST = 8
    run = evacuate(actor=system(), host=host, parallel=3)
    assert advance_moves() == 3
    assert advance_moves() == 0
    settings.MOVES_PER_HOST = 2
    carry_on(run)
    Host.objects.filter(pk=host.pk).update(duty="active")
    back = evacuate(actor=system(), host=Host.objects.get(name="h2"), parallel=3)
    assert advance_moves() == 2
    assert carry_on(back).state == MoveRunState.FINISHED


def test_what_cannot_move_is_listed_and_the_rest_goes(world: World) -> None:
    host = full_host(world)
    busy = Accelerator.objects.get(name="web-1")
    stop(actor=world.actor, accelerator_id=busy.pk)
    run = evacuate(actor=system(), host=host)
    stuck = Move.objects.get(run=run, state=MoveState.STUCK)
    assert (stuck.holder_name, stuck.target) == ("web-1", None)
    assert "accelerator.stop" in stuck.reason
    carry_on(run)
    assert counts_of(run) | {"planned": 0} == {
        "planned": 0, "moving": 0, "moved": 2, "failed": 0, "stuck": 1, "dropped": 0,
    }  # fmt: skip
    again = evacuate(actor=system(), host=host)
    assert carry_on(again).state == MoveRunState.FINISHED
    assert on(host) == 0


def test_no_room_is_said_for_each_guest_in_words(world: World) -> None:
    host = full_host(world)
    Host.objects.filter(name="h2").update(cap_memory_mib=256)
    run = evacuate(actor=system(), host=host)
    stuck = Move.objects.filter(run=run, state=MoveState.STUCK)
    assert stuck.count() == 2
    assert all("short of memory" in move.reason and "must stay in pod" in move.reason for move in stuck)
    assert carry_on(run).state == MoveRunState.FINISHED
    assert on(host) == 2


def test_pause_and_resume(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world, 4), parallel=1)
    advance_moves()
    pause_moves(actor=system(), run=run)
    drain()
    assert advance_moves() == 0
    assert (counts_of(run)["moved"], counts_of(run)["planned"]) == (1, 3)
    assert pause_moves(actor=system(), run=run).state == MoveRunState.PAUSED
    resume_moves(actor=system(), run=run)
    assert carry_on(run).state == MoveRunState.FINISHED
    for steer in (pause_moves, resume_moves, abort_moves):
        with pytest.raises(Conflict, match="finished"):
            steer(actor=system(), run=run)


def test_paused_while_the_last_one_moves_it_finishes(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world, 1))
    advance_moves()
    pause_moves(actor=system(), run=run)
    assert carry_on(run).state == MoveRunState.FINISHED


def test_abort_cancels_what_is_at_work_and_drops_the_rest(world: World) -> None:
    host = full_host(world, 4)
    run = evacuate(actor=system(), host=host, parallel=2)
    advance_moves()
    aborted = abort_moves(actor=system(), run=run)
    assert aborted.state == MoveRunState.ABORTING
    assert carry_on(run).state == MoveRunState.ABORTED
    assert counts_of(run)["dropped"] == 4
    assert on(host) == 4
    assert set(Accelerator.objects.values_list("state", flat=True)) == {"running"}
    assert host.duty == HostDuty.DRAINING
    expected = frozenset(str(pk) for pk in Accelerator.objects.values_list("pk", flat=True))
    assert unclean(world, expected=expected) == []


def test_abort_before_anything_began_ends_it_at_once(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world))
    assert abort_moves(actor=system(), run=run).state == MoveRunState.ABORTED


def test_guests_that_go_or_come_meanwhile(world: World) -> None:
    """Deleted before its turn: dropped. Deleted while it moves: dropped, and both hosts are clean."""
    run = evacuate(actor=system(), host=full_host(world, 3), parallel=1)
    delete(actor=world.actor, accelerator_id=Move.objects.get(run=run, position=2).holder_id, now=True)
    advance_moves()
    delete(actor=world.actor, accelerator_id=Move.objects.get(run=run, position=1).holder_id, now=True)
    carry_on(run)
    assert counts_of(run)["dropped"] == 2
    assert counts_of(run)["moved"] == 1
    assert set(Move.objects.filter(run=run, state="dropped").values_list("reason", flat=True)) == {
        "It is gone.", "It was deleted meanwhile.",
    }  # fmt: skip
    left = str(Accelerator.objects.get(state=State.RUNNING).pk)
    assert unclean(world, expected=frozenset({left})) == []


def test_what_customers_do_meanwhile_is_waited_for(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world, 1))
    move = Move.objects.get(run=run)
    stop(actor=world.actor, accelerator_id=move.holder_id)
    assert advance_moves() == 0
    move.refresh_from_db()
    assert (move.state, "at work" in move.reason) == (MoveState.PLANNED, True)
    assert carry_on(run).state == MoveRunState.FINISHED
    assert Accelerator.objects.get().state == State.STOPPED
    assert Accelerator.objects.get().host == Host.objects.get(name="h2")


def test_a_place_that_was_taken_meanwhile_is_replaced(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world, 1))
    third = another(world, "h3")
    Host.objects.filter(name="h2").update(duty="draining")
    advance_moves()
    move = Move.objects.get(run=run)
    assert (move.state, move.target) == (MoveState.PLANNED, third)
    assert carry_on(run).state == MoveRunState.FINISHED
    assert on(third) == 1


def test_no_place_left_when_its_turn_comes(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world, 1))
    Host.objects.filter(name="h2").update(duty="draining")
    assert carry_on(run).state == MoveRunState.FINISHED
    move = Move.objects.get(run=run)
    assert (move.state, "not taking guests" in move.reason) == (MoveState.STUCK, True)


def test_a_move_that_fails_is_told_and_the_others_go_on(world: World) -> None:
    host = full_host(world, 2)
    run = evacuate(actor=system(), host=host, parallel=1)
    world.host("h2").fail_next("receive", DiskFull)
    carry_on(run)
    failed = Move.objects.get(run=run, state=MoveState.FAILED)
    assert "gear.disk_full" in failed.reason
    assert (counts_of(run)["moved"], on(host)) == (1, 1)


def test_a_move_that_waits_for_an_operator_keeps_the_run_open(world: World) -> None:
    run = evacuate(actor=system(), host=full_host(world, 1))
    advance_moves()
    world.host("h1").fail_next("destroy", GearRefused)
    drain()
    assert advance_moves() == 0
    run.refresh_from_db()
    move = Move.objects.get(run=run)
    assert (run.state, move.state) == ("running", "moving")
    assert move.reason.startswith("Waits for an operator")


def test_only_once_at_a_time_and_only_operators_and_in_range(world: World) -> None:
    host = full_host(world, 1)
    with pytest.raises(Forbidden):
        evacuate(actor=world.actor, host=host)
    for parallel in (0, 65):
        with pytest.raises(InvalidInput) as refused:
            evacuate(actor=system(), host=host, parallel=parallel)
        assert refused.value.errors[0].field == "parallel"
    run = evacuate(actor=system(), host=host)
    with pytest.raises(Conflict) as twice:
        evacuate(actor=system(), host=host)
    assert twice.value.context["run"] == str(run.pk)
    for steer in (pause_moves, resume_moves, abort_moves):
        with pytest.raises(Forbidden):
            steer(actor=world.actor, run=run)


def test_hosts_in_maintenance_stay_so_and_retired_ones_are_refused(world: World) -> None:
    host = full_host(world, 1)
    Host.objects.filter(pk=host.pk).update(duty="maintenance")
    host.refresh_from_db()
    run = evacuate(actor=system(), host=host)
    host.refresh_from_db()
    assert host.duty == HostDuty.MAINTENANCE
    assert carry_on(run).state == MoveRunState.FINISHED
    Host.objects.filter(pk=host.pk).update(duty="retired")
    host.refresh_from_db()
    with pytest.raises(Conflict):
        evacuate(actor=system(), host=host)


def test_a_process_may_die_between_any_two_writes_of_the_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every save and update of a look is the last one in turn; the next look goes on, and no guest is lost or moved twice."""
    host = full_host(world, 2)
    run = evacuate(actor=system(), host=host)
    died = 0
    for at in range(1, 200):
        with DiesAt(at) as clock:
            try:
                advance_moves()
            except RuntimeError:
                died += 1
        drain()
        assert unequal_sums() == []
        run.refresh_from_db()
        if not run.live and not clock.reached:
            break
    assert died >= 5
    assert (counts_of(run)["moved"], on(host)) == (2, 0)
    assert Operation.objects.filter(kind="accelerator.move").count() == 2


class DiesAt:
    """The n-th writing statement raises, as if the process ended there."""

    def __init__(self, number: int) -> None:
        self.number, self.count, self.reached = number, 0, False

    def __enter__(self) -> DiesAt:
        self._wrapper = connection.execute_wrapper(self._execute)
        self._wrapper.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._wrapper.__exit__(None, None, None)

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            self.count += 1
            if self.count == self.number:
                self.reached = True
                raise RuntimeError("the process ended here")
        return execute(sql, params, many, context)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_several_clocks_at_once_begin_no_move_twice(on_postgres: None) -> None:
    world = make_world()
    run = evacuate(actor=system(), host=full_host(world, 4), parallel=2)

    def look() -> None:
        try:
            advance_moves()
        finally:
            connection.close()

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Operation.objects.filter(kind="accelerator.move").count() == counts_of(run)["moving"] <= 2
    assert carry_on(run).state == MoveRunState.FINISHED
    assert Operation.objects.filter(kind="accelerator.move").count() == 4
