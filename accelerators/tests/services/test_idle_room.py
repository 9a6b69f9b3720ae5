"""A preemptible accelerator takes its room at each start and gives it back at each stop, whoever starts and stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accelerators.models import Accelerator
from accelerators.services.delete import delete, undelete
from accelerators.services.drift import adopt, restore
from accelerators.services.lent_room import call_back
from accelerators.services.power import restart, start, stop
from accelerators.services.reconcile import reconcile_host
from accelerators.testing.lending import (
    PLACES,
    let_books_age,
    let_notice_pass,
    make_lending_world,
    running_memory,
    running_spot,
)
from accelerators.testing.world import World, unclean, unequal_sums
from accounts.actor import system
from mcp.errors import ControlPlaneError
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.errors import NoIdleRoom, NotLending
from pods.gear.errors import GearRefused
from pods.models import Allocation, DriftFinding, Host
from pods.services.gear import hypervisor_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def lending() -> World:
    return make_lending_world()


@pytest.fixture
def spot(lending: World) -> Accelerator:
    return running_spot(lending, "spot")


def the_host() -> Host:
    return Host.objects.select_related("pod").get()


def lent() -> tuple[int, int]:
    host = Host.objects.get()
    return host.spot_cpu_m, host.spot_memory_mib


def look() -> None:
    """A look that is newer than all that was done."""
    let_books_age()
    reconcile_host(the_host())
    assert unequal_sums() == []


def test_it_holds_room_while_it_runs_and_its_disk_always(lending: World, spot: Accelerator) -> None:
    assert lent() == (1000, 256)
    for verb, room in ((stop, (0, 0)), (start, (1000, 256)), (restart, (1000, 256)), (delete, (0, 0)), (undelete, (1000, 256))):
        verb(actor=lending.actor, accelerator_id=spot.pk)
        drain()
        assert (lent(), Host.objects.get().used_disk_gib, Host.objects.get().guests) == (room, 5, 1), verb
        assert unclean(lending, expected=frozenset({str(spot.pk)})) == []
    delete(actor=lending.actor, accelerator_id=spot.pk, now=True)
    drain()
    assert (lent(), Host.objects.get().used_disk_gib) == ((0, 0), 0)


def test_a_firm_one_keeps_its_room_when_it_is_stopped(lending: World) -> None:
    firm = lending.running("firm")
    stop(actor=lending.actor, accelerator_id=firm.pk)
    drain()
    assert Host.objects.get().used_memory_mib == 256


VERBS: dict[str, Callable[..., Any]] = {"stopped": start, "trashed": undelete}


@pytest.mark.parametrize("state", list(VERBS))
def test_without_idle_room_it_does_not_start(lending: World, spot: Accelerator, state: str) -> None:
    (stop if state == "stopped" else delete)(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    lending.running("firm", count=PLACES)
    revision = Accelerator.objects.get(pk=spot.pk).revision
    with pytest.raises(NoIdleRoom) as refused:
        VERBS[state](actor=lending.actor, accelerator_id=spot.pk)
    assert refused.value.detail == (
        "Its host has no idle memory for it now; try again later, or make another one where there is room."
    )
    assert refused.value.context == {"short": ["memory"]}
    row = Accelerator.objects.get(pk=spot.pk)
    assert (row.state, row.revision) == (state, revision), "nothing was written"
    assert not Operation.objects.exclude(state__in=sorted(Operation.SETTLED)).exists()
    assert unequal_sums() == []


@pytest.mark.parametrize(
    ("fields", "words", "lends"),
    [
        ({"spot": "never"}, "does not lend idle room any more", False),
        ({"spot": "windows", "spot_windows": []}, "does not lend idle room any more", False),
        ({"duty": "draining"}, "takes no guests at present", False),
    ],
)
def test_where_no_room_is_lent_it_does_not_start(
    lending: World, spot: Accelerator, fields: dict[str, Any], words: str, lends: bool
) -> None:
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    Host.objects.update(**fields)
    with pytest.raises(NotLending) as refused:
        start(actor=lending.actor, accelerator_id=spot.pk)
    assert words in refused.value.detail
    assert bool(refused.value.context["lends_at"]) is lends


def test_a_start_that_fails_keeps_the_room_until_the_host_was_seen(lending: World, spot: Accelerator) -> None:
    """Nobody knows yet whether the guest runs."""
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    lending.host().fail_next("start", GearRefused, after_effect=True)
    start(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    spot.refresh_from_db()
    assert (spot.state, lent(), running_memory(lending)) == ("stopped", (1000, 256), 256)
    look()
    assert lent() == (1000, 256), "it runs"
    lending.host().stop_guest(str(spot.pk))
    look()
    assert lent() == (0, 0)


def test_shut_down_from_inside_it_gives_its_room_back(lending: World, spot: Accelerator) -> None:
    lending.host().stop_guest(str(spot.pk))
    look()
    assert lent() == (0, 0)
    assert Accelerator.objects.get(pk=spot.pk).state == "stopped"
    restore(actor=system(), finding_id=DriftFinding.objects.get(kind="power").pk)
    assert lent() == (1000, 256)
    drain()
    assert Accelerator.objects.get(pk=spot.pk).state == "running"


def by_hand(world: World, row: Accelerator) -> None:
    """Somebody starts a guest on the host, room or not."""
    with world.simulated.store.change("h1") as state:
        state.guests[f"mcp-{row.pk}"].running = True


def preempted(world: World, spot: Accelerator) -> None:
    """Stopped because a firm plan took all the room."""
    world.create("firm", count=PLACES)
    drain(skip_pauses=False)
    let_notice_pass()
    drain()
    spot.refresh_from_db()
    assert (spot.state, lent()) == ("stopped", (0, 0))
    assert spot.preempted_at is not None


def test_started_by_hand_it_is_counted_and_sent_away_again(lending: World, spot: Accelerator) -> None:
    preempted(lending, spot)
    by_hand(lending, spot)
    look()
    assert lent() == (1000, 256)
    assert DriftFinding.objects.filter(kind="power", target_id=spot.pk).exists()
    assert call_back() == 1
    drain(skip_pauses=False)
    let_notice_pass()
    drain(skip_pauses=False)
    assert lent() == (0, 0)
    assert running_memory(lending) == PLACES * 256
    assert unequal_sums() == []


def test_what_runs_in_the_trash_is_sent_away_and_stays_there(lending: World, spot: Accelerator) -> None:
    """Its return failed after it had started."""
    delete(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    lending.host().fail_next("start", GearRefused, after_effect=True)
    undelete(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    look()
    assert (Accelerator.objects.get(pk=spot.pk).state, lent()) == ("trashed", (1000, 256))
    Host.objects.update(spot="never")
    assert call_back() == 1
    drain(skip_pauses=False)
    let_notice_pass()
    drain()
    assert (Accelerator.objects.get(pk=spot.pk).state, lent(), running_memory(lending)) == ("trashed", (0, 0), 0)


def test_a_failed_start_is_sent_away_too(lending: World, spot: Accelerator) -> None:
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    lending.host().fail_next("start", GearRefused)
    start(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    Host.objects.update(spot="never")
    assert call_back() == 1
    drain(skip_pauses=False)
    let_notice_pass()
    drain()
    assert (Accelerator.objects.get(pk=spot.pk).state, lent()) == ("stopped", (0, 0))


def test_a_preempted_one_is_not_started_by_looking(lending: World, spot: Accelerator) -> None:
    preempted(lending, spot)
    look()
    assert not DriftFinding.objects.filter(target_id=spot.pk).exists(), "stopped is what is wanted now"


def test_adopting_what_was_started_by_hand_leaves_the_books_right(lending: World, spot: Accelerator) -> None:
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    by_hand(lending, spot)
    look()
    adopt(actor=system(), finding_id=DriftFinding.objects.get(kind="power").pk)
    assert lent() == (1000, 256)
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    assert lent() == (0, 0)


def test_a_guest_built_anew_takes_room(lending: World, spot: Accelerator) -> None:
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    lending.host().destroy_guest(str(spot.pk))
    look()
    look()
    missing = DriftFinding.objects.get(kind="missing")
    assert lent() == (0, 0)
    lending.running("firm", count=PLACES)
    with pytest.raises(NoIdleRoom):
        restore(actor=system(), finding_id=missing.pk)
    delete(actor=lending.actor, accelerator_id=Accelerator.objects.get(name="firm-1").pk, now=True)
    drain()
    restore(actor=system(), finding_id=missing.pk)
    drain()
    assert (lent(), running_memory(lending)) == ((1000, 256), PLACES * 256)


def test_a_look_older_than_the_last_operation_changes_no_books(lending: World, spot: Accelerator) -> None:
    inventory = hypervisor_of(the_host()).inventory()
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    start(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    assert inventory.guests[0].power.value == "running"
    reconcile_host(the_host())
    assert lent() == (1000, 256)


def test_what_something_is_at_work_on_is_left_alone(lending: World, spot: Accelerator) -> None:
    """Between the room taken by a start and the guest that runs, a look sees it stopped."""
    stop(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    start(actor=lending.actor, accelerator_id=spot.pk)
    look()
    assert lent() == (1000, 256)
    drain()
    assert Accelerator.objects.get(pk=spot.pk).state == "running"


def test_a_preempted_one_shows_so_until_it_is_started(lending: World, spot: Accelerator) -> None:
    preempted(lending, spot)
    Host.objects.update(cap_memory_mib=8 * 256)
    with lending.simulated.store.change("h1") as state:
        state.memory_mib *= 2
    start(actor=lending.actor, accelerator_id=spot.pk)
    drain()
    spot.refresh_from_db()
    assert (spot.state, spot.preempted_at, spot.preempt_reason) == ("running", None, "")


def test_the_room_of_a_create_that_failed_comes_back(lending: World) -> None:
    lending.host().fail_next("start", GearRefused)
    lending.create("spot", plan="spot-256m")
    drain()
    assert lent() == (0, 0)
    assert not Allocation.objects.exists()
    assert unclean(lending) == []


def test_errors_are_of_the_family() -> None:
    assert issubclass(NoIdleRoom, ControlPlaneError)
    assert {NoIdleRoom.status, NotLending.status} == {409}
