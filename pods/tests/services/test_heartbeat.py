"""Heartbeats: misses, returns, restarts, and what follows from each."""

from __future__ import annotations

from typing import Any

import pytest

from accelerators.testing.world import World
from mcp.events.models import Event
from mcp.ids import new_id
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from pods.gear.errors import GearUnreachable, HostKeyChanged
from pods.gear.simulated import SimulatedHost, SimulatedPod
from pods.models import Host
from pods.services.heartbeat import heartbeat, heartbeat_silent, heartbeat_well
from pods.states import HostDuty, HostState
from pods.tests.services.claims import take

pytestmark = pytest.mark.django_db
NAME = "sim1-h1"


@pytest.fixture
def machine(simulated: SimulatedPod, settings: Any) -> SimulatedHost:
    """The hand on the host; three misses make it unreachable."""
    settings.HOST_UNREACHABLE_AFTER = 3
    return simulated.host(NAME)


def beat(times: int = 1) -> Host:
    """Ask so often, each time with the row as it is; answers the row after."""
    for _ in range(times):
        heartbeat(host())
    return host()


def host() -> Host:
    return Host.objects.select_related("pod").get(name=NAME)


def told() -> list[str]:
    """Kinds of the events about it, oldest first."""
    return list(Event.objects.filter(target_id=host().pk).order_by("id").values_list("kind", flat=True))


def waiting(*, lane: str, **fields: Any) -> Operation:
    """An operation that an operator was asked about, because a host did not answer."""
    defaults = {"state": OperationState.NEEDS_ATTENTION, "error_code": GearUnreachable.code}
    return Operation.objects.create(
        kind="accelerator.start", target_type="accelerator", target_id=new_id(), lanes=[lane], **defaults | fields
    )


def state_of(operation: Operation) -> str:
    operation.refresh_from_db()
    return operation.state


def test_an_answer_is_noted_and_nothing_told(machine: SimulatedHost) -> None:
    before = host()
    assert heartbeat(before) is True
    after = host()
    assert before.last_seen_at is not None
    assert after.last_seen_at is not None
    assert after.last_seen_at > before.last_seen_at
    assert (after.reachable, after.failed_heartbeats, after.last_error, after.boot_id) == (True, 0, "", before.boot_id)
    assert told() == []


def test_a_few_misses_are_borne(machine: SimulatedHost) -> None:
    machine.go_down()
    assert heartbeat(host()) is False
    row = beat(1)
    assert (row.failed_heartbeats, row.reachable, row.state) == (2, True, HostState.ONLINE)
    assert row.last_error.startswith("gear.unreachable: ")
    assert told() == []


def test_so_many_in_a_row_make_it_unreachable_once(machine: SimulatedHost) -> None:
    machine.go_down()
    row = beat(3)
    assert (row.reachable, row.state) == (False, HostState.UNREACHABLE)
    assert beat(4).failed_heartbeats == 7
    assert told() == ["host.unreachable"]
    event = Event.objects.get(kind="host.unreachable")
    assert (event.target_name, event.account_id) == (NAME, None)
    assert event.message.startswith(f"{NAME} does not answer: ")


def test_an_answer_between_misses_starts_the_count_anew(machine: SimulatedHost) -> None:
    for _ in range(3):
        machine.fail_next("heartbeat", GearUnreachable, times=2)
        assert beat(2).failed_heartbeats == 2
        assert beat().failed_heartbeats == 0
    assert told() == []


def test_an_unreachable_host_takes_no_guests_and_its_last_sight_is_kept(machine: SimulatedHost) -> None:
    seen = beat().last_seen_at
    machine.go_down()
    assert beat(3).last_seen_at == seen
    assert {row.host.name for row in take(4)} == {"sim1-h2"}


def test_back_online_is_told_and_counted_from_zero(machine: SimulatedHost) -> None:
    machine.go_down()
    beat(5)
    machine.come_up()
    row = beat()
    assert (row.reachable, row.failed_heartbeats, row.last_error, row.state) == (True, 0, "", HostState.ONLINE)
    beat(2)
    assert told() == ["host.unreachable", "host.online"]


def test_back_online_wakes_what_waits_for_it_and_nothing_else(machine: SimulatedHost) -> None:
    machine.go_down()
    beat(3)
    lane = host().lane
    asked, paused = waiting(lane=lane), waiting(lane=lane, state=OperationState.QUEUED, troubled_since=host().created_at)
    elsewhere, otherwise = waiting(lane="host:other"), waiting(lane=lane, error_code="gear.disk_full")
    beat()
    assert state_of(asked) == OperationState.NEEDS_ATTENTION
    machine.come_up()
    beat()
    assert state_of(asked) == state_of(paused) == OperationState.QUEUED
    assert paused.troubled_since is None
    assert state_of(elsewhere) == state_of(otherwise) == OperationState.NEEDS_ATTENTION


def test_an_answer_of_a_host_that_was_never_away_wakes_nobody(machine: SimulatedHost) -> None:
    asked = waiting(lane=host().lane)
    beat(2)
    assert state_of(asked) == OperationState.NEEDS_ATTENTION


def test_a_restart_is_noticed_once(machine: SimulatedHost) -> None:
    before = beat().boot_id
    machine.restart()
    assert beat(2).boot_id == machine.state().boot_id != before
    assert told() == ["host.restarted"]


def test_a_restart_behind_an_outage_tells_both(machine: SimulatedHost) -> None:
    machine.go_down()
    beat(3)
    machine.restart()
    beat()
    assert told() == ["host.unreachable", "host.restarted", "host.online"]


def test_the_first_boot_id_ever_is_no_restart(machine: SimulatedHost) -> None:
    Host.objects.filter(name=NAME).update(boot_id="")
    assert beat().boot_id == machine.state().boot_id
    assert told() == []


def test_a_changed_host_key_counts_as_a_miss_and_is_named(machine: SimulatedHost) -> None:
    machine.fail_next("heartbeat", HostKeyChanged, times=3)
    row = beat(3)
    assert (row.reachable, row.last_error.split(":")[0]) == (False, "gear.host_key_changed")
    assert told() == ["host.unreachable"]


def test_a_host_away_for_days_does_not_overflow_its_count(machine: SimulatedHost) -> None:
    Host.objects.filter(name=NAME).update(failed_heartbeats=10_000, reachable=False)
    machine.go_down()
    assert beat(2).failed_heartbeats == 10_000


def test_one_host_does_not_touch_another(machine: SimulatedHost) -> None:
    machine.go_down()
    beat(3)
    assert Host.objects.get(name="sim1-h2").reachable


def test_the_new_state_and_its_event_appear_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who saw the host unreachable once found no event about it yet."""
    host = Host.objects.select_related("pod").get(name="h1", pod=world.pod)
    Host.objects.filter(pk=host.pk).update(failed_heartbeats=50)
    host.refresh_from_db()
    world.host("h1").go_down()

    def no_event(*arguments: object, **named: object) -> None:
        raise RuntimeError("the event could not be written")

    monkeypatch.setattr("pods.services.heartbeat.emit", no_event)
    with pytest.raises(RuntimeError):
        heartbeat(host)
    assert Host.objects.get(pk=host.pk).reachable


def test_misses_are_counted_from_the_row_and_not_from_what_was_read_before(machine: SimulatedHost) -> None:
    machine.go_down()
    stale = host()
    for _ in range(3):
        heartbeat(stale)
    assert (host().failed_heartbeats, host().reachable) == (3, False)
    assert told() == ["host.unreachable"]


def test_a_late_miss_does_not_undo_an_answer_in_between(machine: SimulatedHost) -> None:
    machine.go_down()
    beat(2)
    stale = host()
    machine.come_up()
    beat()
    machine.fail_next("heartbeat", GearUnreachable)
    heartbeat(stale)
    assert (host().failed_heartbeats, host().reachable) == (1, True)
    assert told() == []


def test_a_return_is_told_once_whoever_notices_it(machine: SimulatedHost) -> None:
    machine.go_down()
    beat(3)
    stale = host()
    machine.restart()
    heartbeat(stale)
    heartbeat(stale)
    assert told() == ["host.unreachable", "host.restarted", "host.online"]


def test_hosts_that_answer_and_hosts_that_do_not_are_asked_apart(machine: SimulatedHost) -> None:
    machine.go_down()
    assert (heartbeat_well(), heartbeat_silent()) == (2, 1)  # the one that just missed is with the silent at once
    assert (heartbeat_well(), heartbeat_silent()) == (1, 1)
    assert (host().failed_heartbeats, host().reachable) == (3, False)
    machine.come_up()
    assert (heartbeat_silent(), heartbeat_well()) == (1, 2)
    assert (host().failed_heartbeats, host().reachable) == (0, True)


def test_retired_hosts_are_not_asked(machine: SimulatedHost) -> None:
    for duty in (HostDuty.DRAINING, HostDuty.RETIRED):
        Host.objects.update(duty=duty)
    assert (heartbeat_well(), heartbeat_silent()) == (0, 0)
