"""Firm plans take lent room back: who is told, when they go, who waits, and that a host never runs more than it may."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.examinations import lent_room_comes_back
from accelerators.services.lent_room import call_back, forget_notices
from accelerators.services.power import restart, start, stop
from accelerators.services.preempt import idle, make_room
from accelerators.states import State
from accelerators.testing.lending import PLACES, let_notice_pass, make_lending_world, running_memory, running_spot
from accelerators.testing.world import World, unclean, unequal_sums
from mcp.errors import Conflict
from mcp.events.models import AuditEntry, Event
from mcp.operations.crash import install
from mcp.operations.engine import run
from mcp.operations.errors import NotCancellable, OperationInProgress
from mcp.operations.models import Operation
from mcp.operations.services.cancel import cancel
from mcp.testing.drain import drain, next_due
from pods.errors import NoIdleRoom
from pods.gear.errors import GearRefused
from pods.models import Allocation, Host
from pods.services.heartbeat import heartbeat
from pods.services.spot import overfull

pytestmark = pytest.mark.django_db


@pytest.fixture
def lending() -> World:
    return make_lending_world()


def full_of_spots(world: World, number: int = PLACES) -> list[Accelerator]:
    return [running_spot(world, f"spot-{index}") for index in range(number)]


def states(*rows: Accelerator) -> list[str]:
    return [str(Accelerator.objects.get(pk=row.pk).state) for row in rows]


def preemption_of(row: Accelerator) -> Operation:
    return Operation.objects.filter(kind="accelerator.preempt", target_id=row.pk).latest("created_at")


def test_a_firm_plan_takes_lent_room_after_notice(lending: World) -> None:
    spots = full_of_spots(lending)
    created = lending.create("firm")
    drain(skip_pauses=False)
    firm, operation = created.accelerators[0], created.operations[0]
    operation.refresh_from_db()
    victim = Accelerator.objects.get(preempt_at__isnull=False)
    assert victim.pk == spots[-1].pk, "the youngest goes"
    assert states(*spots, firm) == ["running"] * PLACES + ["provisioning"]
    assert operation.message == f"Waiting for preemptible accelerators to leave until {victim.preempt_at:%H:%M:%S} UTC."
    assert 100 < (victim.preempt_at - timezone.now()).total_seconds() <= 120  # type: ignore[operator]  # set, as asserted
    notice = Event.objects.get(target_id=victim.pk, kind="accelerator.preempt_notice")
    assert notice.account_id == lending.account.pk
    assert notice.message == f"Will be stopped at {victim.preempt_at:%H:%M:%S} UTC, because a firm plan needs its room."
    assert running_memory(lending) == PLACES * 256

    let_notice_pass()
    drain()
    victim.refresh_from_db()
    assert (victim.state, victim.power_wanted, victim.preempt_at) == ("stopped", "stopped", None)
    assert victim.preempted_at is not None
    assert states(*spots[:-1], firm) == ["running"] * PLACES
    assert running_memory(lending) == PLACES * 256
    assert unclean(lending, expected=frozenset(str(row.pk) for row in (*spots, firm))) == []
    kept = Allocation.objects.get(holder_id=victim.pk)
    assert (kept.cpu_m, kept.memory_mib, kept.disk_gib) == (0, 0, 5), "its disk stays"
    assert AuditEntry.objects.filter(action="accelerator.preempt", target_id=str(victim.pk)).count() == 1


def test_just_enough_leave_for_a_batch(lending: World) -> None:
    spots = full_of_spots(lending)
    created = lending.create("firm", count=3)
    assert Operation.objects.filter(kind="accelerator.preempt").count() == 3
    drain(skip_pauses=False)
    let_notice_pass()
    drain()
    assert sorted(states(*spots)) == ["running", "stopped", "stopped", "stopped"]
    assert states(*created.accelerators) == ["running"] * 3
    assert unequal_sums() == []


def test_two_firm_creates_one_after_the_other_send_two_away(lending: World) -> None:
    """The second one counts on those who leave for the first, and not twice."""
    full_of_spots(lending)
    lending.create("one")
    drain(skip_pauses=False)
    lending.create("two")
    drain(skip_pauses=False)
    assert Accelerator.objects.filter(preempt_at__isnull=False).count() == 2


def test_where_room_is_free_nobody_leaves(lending: World) -> None:
    full_of_spots(lending, PLACES - 1)
    created = lending.create("firm")
    drain(skip_pauses=False)
    assert created.room_by is None
    assert states(created.accelerators[0]) == ["running"]
    assert created.operations[0].params == {}
    assert not Operation.objects.filter(kind="accelerator.preempt").exists()


def test_a_firm_guest_that_was_there_first_does_not_wait_for_later_ones(lending: World) -> None:
    """One claimed without displacing anybody starts although the host is promised over by now."""
    full_of_spots(lending, PLACES - 1)
    first = lending.create("first")
    lending.create("second")
    drain(skip_pauses=False)
    assert states(first.accelerators[0]) == ["running"]
    assert running_memory(lending) == PLACES * 256


# --- what the customer, the host and the worker do meanwhile --------------------------------------------------------------


def told(world: World) -> tuple[Accelerator, Accelerator]:
    """A victim under notice, and the firm accelerator that waits."""
    full_of_spots(world)
    firm = world.create("firm").accelerators[0]
    drain(skip_pauses=False)
    return Accelerator.objects.get(preempt_at__isnull=False), firm


def test_a_customer_may_stop_it_at_once(lending: World) -> None:
    victim, firm = told(lending)
    stop(actor=lending.actor, accelerator_id=victim.pk)
    drain()
    victim.refresh_from_db()
    assert (victim.state, victim.preempt_at, victim.preempted_at) == ("stopped", None, None)
    assert preemption_of(victim).error_code == "operation.superseded"
    assert states(firm) == ["running"]
    assert unequal_sums() == []
    with pytest.raises(NoIdleRoom):
        start(actor=lending.actor, accelerator_id=victim.pk)


@pytest.mark.parametrize("now", [False, True])
def test_a_customer_may_delete_it(lending: World, now: bool) -> None:
    victim, firm = told(lending)
    delete(actor=lending.actor, accelerator_id=victim.pk, now=now)
    drain()
    assert states(victim, firm) == ["deleted" if now else "trashed", "running"]
    assert unequal_sums() == []
    assert running_memory(lending) == PLACES * 256


def test_nothing_else_takes_its_place_and_nobody_cancels_it(lending: World) -> None:
    victim, _ = told(lending)
    with pytest.raises(OperationInProgress) as refused:
        restart(actor=lending.actor, accelerator_id=victim.pk)
    assert "cancel" not in refused.value.detail
    with pytest.raises(NotCancellable):
        cancel(preemption_of(victim).pk, account_id=lending.account.pk)
    assert states(victim) == ["running"]


def test_a_notice_cannot_be_evaded(lending: World) -> None:
    """Whoever asks to stop and takes it back is told again, and the time stays the first one."""
    victim, _ = told(lending)
    _, stopping = stop(actor=lending.actor, accelerator_id=victim.pk)
    cancel(stopping.pk)
    drain(skip_pauses=False)
    assert states(victim) == ["running"]
    at = victim.preempt_at
    assert call_back() == 1
    drain(skip_pauses=False)
    victim.refresh_from_db()
    assert victim.preempt_at == at
    assert preemption_of(victim).state == "queued"


def test_a_notice_of_long_ago_is_forgotten(lending: World) -> None:
    victim, firm = told(lending)
    assert forget_notices() == 0
    _, stopping = stop(actor=lending.actor, accelerator_id=victim.pk)
    cancel(stopping.pk)
    delete(actor=lending.actor, accelerator_id=firm.pk)
    drain(skip_pauses=False)
    assert forget_notices() == 0
    Accelerator.objects.filter(pk=victim.pk).update(preempt_at=timezone.now() - timedelta(minutes=11))
    assert forget_notices() == 1
    victim.refresh_from_db()
    assert (victim.preempt_at, victim.preempt_reason) == (None, "")


def test_when_the_room_is_not_needed_after_all_it_is_called_off(lending: World) -> None:
    victim, firm = told(lending)
    delete(actor=lending.actor, accelerator_id=firm.pk, now=True)
    drain()
    victim.refresh_from_db()
    assert (victim.state, victim.preempt_at, victim.preempted_at) == ("running", None, None)
    assert preemption_of(victim).state == "succeeded"
    assert Event.objects.filter(target_id=victim.pk, kind="accelerator.preempt_called_off").count() == 1
    assert running_memory(lending) == PLACES * 256
    assert unequal_sums() == []


def test_a_host_that_does_not_answer_holds_both_up_and_loses_neither(lending: World) -> None:
    victim, firm = told(lending)
    lending.host().go_down()
    for _ in range(5):
        let_notice_pass()
        drain(skip_pauses=False)
    assert states(victim, firm) == ["stopping", "provisioning"]
    assert preemption_of(victim).state == "queued"
    lending.host().come_up()
    drain()
    assert states(victim, firm) == ["stopped", "running"]
    assert unequal_sums() == []


def test_a_victim_that_will_not_stop_asks_for_an_operator_and_the_firm_one_gives_up(lending: World) -> None:
    victim, firm = told(lending)
    lending.host().fail_next("stop", GearRefused)
    let_notice_pass()
    drain(skip_pauses=False)
    assert preemption_of(victim).state == "needs_attention"
    operation = Operation.objects.get(target_id=firm.pk)
    late = timezone.now() - timedelta(minutes=20)
    Operation.objects.filter(pk=operation.pk).update(params={"room_by": late.isoformat()}, not_before=late)
    drain(skip_pauses=False)
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == ("failed", "placement.room_not_left")
    assert states(firm) == ["failed"]
    assert unequal_sums() == []
    assert running_memory(lending) == PLACES * 256


def test_the_firm_one_may_be_cancelled_while_it_waits(lending: World) -> None:
    victim, firm = told(lending)
    cancel(Operation.objects.get(target_id=firm.pk).pk, account_id=lending.account.pk)
    drain()
    assert states(victim, firm) == ["running", "failed"]
    assert unequal_sums() == []


def test_what_is_busy_is_chosen_at_the_next_look(lending: World) -> None:
    """All lent room is with guests that are just being made: none can be told yet, and none is forgotten."""
    spots = [lending.create(f"spot-{number}", plan="spot-256m").accelerators[0] for number in range(PLACES)]
    created = lending.create("firm")
    assert not Operation.objects.filter(kind="accelerator.preempt").exists()
    drain(skip_pauses=False)
    assert states(*spots, created.accelerators[0]) == ["running"] * PLACES + ["provisioning"]
    assert call_back() == 1
    assert call_back() == 0, "once"
    drain(skip_pauses=False)
    let_notice_pass()
    drain()
    assert sorted(states(*spots)) == ["running"] * (PLACES - 1) + ["stopped"]
    assert states(created.accelerators[0]) == ["running"]


def test_a_host_whose_room_shrinks_is_put_right(lending: World) -> None:
    spots = full_of_spots(lending)
    Host.objects.update(cap_memory_mib=3 * 256)
    assert call_back() == 1
    drain(skip_pauses=False)
    let_notice_pass()
    drain()
    assert sorted(states(*spots)) == ["running", "running", "running", "stopped"]


def test_the_doctor_tells_of_an_overfull_host_that_nobody_leaves(lending: World) -> None:
    spots = full_of_spots(lending)
    assert list(lent_room_comes_back()) == []
    Host.objects.update(cap_memory_mib=3 * 256)
    (finding,) = lent_room_comes_back()
    assert "holds more than it may" in finding.sentence
    call_back()
    assert list(lent_room_comes_back()) == [], "somebody is on the way out"
    assert len(spots) == PLACES


def test_idle_leaves_out_what_something_is_at_work_on(lending: World) -> None:
    one, two = full_of_spots(lending, 2)
    stop(actor=lending.actor, accelerator_id=one.pk)
    with transaction.atomic():
        assert [row.pk for row in idle([one.pk, two.pk])] == [two.pk]
        assert idle([]) == []
        assert make_room([one.host_id or two.pk])[one.host_id or two.pk].told == 0


def test_a_guest_that_left_by_itself_needs_no_stop(lending: World) -> None:
    """Its room was given back between the choice and the notice's end."""
    victim, _ = told(lending)
    Allocation.objects.filter(holder_id=victim.pk).update(cpu_m=0, memory_mib=0)
    Host.objects.update(spot_cpu_m=3000, spot_memory_mib=3 * 256)
    drain()
    victim.refresh_from_db()
    assert (victim.preempted_at, victim.preempt_at) == (None, None)


# --- the proof -----------------------------------------------------------------------------------------------------------


class Watch:
    """At every crash point of every operation: no host runs more than it may, nor promises more firmly."""

    def __init__(self, world: World) -> None:
        self.world, self.looks, self.most = world, 0, 0

    def __call__(self, *_: str) -> None:
        for host in Host.objects.filter(pod=self.world.pod):
            running = running_memory(self.world, host.name)
            assert running <= host.cap_memory_mib, f"{host.name} runs {running} of {host.cap_memory_mib} MiB"
            assert host.used_memory_mib <= host.cap_memory_mib
            self.most = max(self.most, running)
        self.looks += 1


def act_at_random(world: World, random: Random, number: int) -> None:
    """One thing that a customer or the clock does; refusals are part of it."""
    rows = list(Accelerator.objects.exclude(state__in=[State.DELETED, State.FAILED]).order_by("created_at", "id"))
    row = random.choice(rows) if rows else None
    choices: list[tuple[int, Any]] = [
        (3, lambda: world.create(f"firm-{number}", count=random.choice([1, 1, 2]))),
        (5, lambda: world.create(f"spot-{number}", plan="spot-256m")),
        (2, call_back),
        (3, let_notice_pass),
    ]
    if row is not None:
        choices += [
            (2, lambda: stop(actor=world.actor, accelerator_id=row.pk)),
            (3, lambda: start(actor=world.actor, accelerator_id=row.pk)),
            (1, lambda: restart(actor=world.actor, accelerator_id=row.pk)),
            (2, lambda: delete(actor=world.actor, accelerator_id=row.pk, now=random.random() < 0.7)),
        ]
    with suppress(Conflict):
        random.choices([what for _, what in choices], [weight for weight, _ in choices])[0]()


@pytest.mark.parametrize("seed", range(6))
def test_a_host_never_runs_more_than_it_may(seed: int) -> None:
    """A random walk of customers, clock and worker on two small hosts, watched at every crash point."""
    world, random = make_lending_world(hosts=2, places=3), Random(seed)
    watch = Watch(world)
    install(watch)
    try:
        for number in range(45):
            act_at_random(world, random, number)
            for _ in range(random.randrange(4)):
                operation = next_due(skip_pauses=False)
                if operation is not None:
                    run(operation)
            assert unequal_sums() == []
        for _ in range(4):
            call_back()
            let_notice_pass()
            drain()
    finally:
        install(None)
    assert watch.looks > 50
    assert watch.most == 3 * 256, "the hosts were full at times"
    assert not Operation.objects.exclude(state__in=sorted(Operation.SETTLED)).exists()
    assert [any(overfull(host.pk)) for host in Host.objects.filter(pod=world.pod)] == [False, False]
    assert unequal_sums() == []


def test_a_heartbeat_and_a_restart_of_the_host_start_no_preempted_guest(lending: World) -> None:
    victim, firm = told(lending)
    let_notice_pass()
    drain()
    lending.host().restart()
    heartbeat(Host.objects.select_related("pod").get(pod=lending.pod))
    assert not next(g for g in lending.host().state().guests.values() if g.guest_id == str(victim.pk)).running
    assert running_memory(lending) == PLACES * 256
    assert states(firm) == ["running"]
