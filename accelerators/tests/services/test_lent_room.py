"""Windows close and open, operators change their mind, and what was preempted comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accelerators import tasks
from accelerators.models import Accelerator, Plan
from accelerators.services.lent_room import bring_back, call_back
from accelerators.services.power import start, stop
from accelerators.testing.lending import let_notice_pass, make_lending_world, running_spot
from accelerators.testing.world import World, unequal_sums
from accounts.models import Account
from mcp.events.models import Event
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.errors import CapacityExhausted, NotLending
from pods.models import Host, Pod
from pods.services.spot import lead

pytestmark = pytest.mark.django_db
ZONE = ZoneInfo("Europe/Amsterdam")
EVENING = datetime(2035, 3, 5, 22, 0, tzinfo=ZONE).astimezone(UTC)  # a Monday; later than any default that the database was given
CLOSES = datetime(2035, 3, 6, 7, 0, tzinfo=ZONE).astimezone(UTC)
OPENS = datetime(2035, 3, 6, 19, 0, tzinfo=ZONE).astimezone(UTC)


class Clock:
    """What `timezone.now` answers."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock(EVENING)
    monkeypatch.setattr(timezone, "now", fake)
    return fake


@pytest.fixture
def nights(clock: Clock) -> World:
    """Lends on weekday nights, in Amsterdam."""
    world = make_lending_world(spot="windows")
    Host.objects.update(spot_windows=["mon-fri 19:00-07:00"])
    Pod.objects.update(time_zone="Europe/Amsterdam")
    return world


def test_it_is_stopped_by_the_end_of_the_window_and_told_in_time(nights: World, clock: Clock, settings: Any) -> None:
    spot = running_spot(nights, "spot")
    clock.now = CLOSES - lead() - timedelta(seconds=1)
    assert call_back() == 0
    clock.now = CLOSES - lead() + timedelta(seconds=settings.PREEMPT_LOOK_S)
    assert call_back() == 1
    assert call_back() == 0
    drain(skip_pauses=False)
    spot.refresh_from_db()
    assert spot.preempt_at == CLOSES - timedelta(seconds=settings.PREEMPT_STOP_S)
    assert spot.preempt_at - clock.now >= timedelta(seconds=settings.PREEMPT_NOTICE_S)
    assert (spot.state, spot.preempt_reason) == ("running", "window")
    clock.now = spot.preempt_at
    drain(skip_pauses=False)
    spot.refresh_from_db()
    assert (spot.state, spot.preempted_at) == ("stopped", clock.now)
    assert clock.now < CLOSES
    told = Event.objects.filter(target_id=spot.pk, kind__startswith="accelerator.preempt").order_by("pk")
    assert [event.message for event in told] == [
        "Will be stopped at 05:59:20 UTC, because the hours in which its host lends idle room are over then.",
        (
            "Stopped, because the hours in which its host lends idle room are over. Its disk and address stay; "
            "start it when there is room."
        ),
    ]
    assert unequal_sums() == []


def test_by_day_nothing_starts_and_the_refusal_says_when(nights: World, clock: Clock) -> None:
    spot = running_spot(nights, "spot")
    stop(actor=nights.actor, accelerator_id=spot.pk)
    drain()
    clock.now = CLOSES + timedelta(hours=1)
    with pytest.raises(NotLending) as refused:
        start(actor=nights.actor, accelerator_id=spot.pk)
    assert refused.value.detail == "Its host lends again at Tue 19:00 Europe/Amsterdam; start it then."
    assert refused.value.context == {"lends_at": OPENS.isoformat()}
    with pytest.raises(CapacityExhausted) as none:
        nights.create("other", plan="spot-256m")
    assert none.value.context["placement"]["removed"]["preemptible"] == 1
    clock.now = OPENS
    start(actor=nights.actor, accelerator_id=spot.pk)


def test_nobody_is_let_in_just_before_the_end(nights: World, clock: Clock) -> None:
    spot = running_spot(nights, "spot")
    stop(actor=nights.actor, accelerator_id=spot.pk)
    drain()
    clock.now = CLOSES - lead()
    with pytest.raises(NotLending, match="Tue 19:00"):
        start(actor=nights.actor, accelerator_id=spot.pk)
    with pytest.raises(CapacityExhausted):
        nights.create("other", plan="spot-256m")
    clock.now -= timedelta(seconds=1)
    start(actor=nights.actor, accelerator_id=spot.pk)


def test_when_the_operator_lends_no_more_they_go_after_a_whole_notice(nights: World, clock: Clock, settings: Any) -> None:
    spots = [running_spot(nights, f"spot-{number}") for number in range(2)]
    Host.objects.update(spot="never")
    assert call_back() == 2
    drain(skip_pauses=False)
    for spot in spots:
        spot.refresh_from_db()
        assert spot.preempt_at == clock.now + timedelta(seconds=settings.PREEMPT_NOTICE_S)
        assert spot.preempt_reason == "lending"
    clock.now += timedelta(seconds=settings.PREEMPT_NOTICE_S)
    drain(skip_pauses=False)
    assert set(Accelerator.objects.values_list("state", flat=True)) == {"stopped"}


def test_when_the_operator_lends_longer_it_is_called_off(nights: World, clock: Clock) -> None:
    spot = running_spot(nights, "spot")
    clock.now = CLOSES - lead()
    call_back()
    drain(skip_pauses=False)
    Host.objects.update(spot="always")
    drain()
    spot.refresh_from_db()
    assert (spot.state, spot.preempt_at) == ("running", None)


def test_hosts_that_lend_nothing_are_not_asked(nights: World, django_assert_num_queries: Any) -> None:
    nights.running("firm")
    with django_assert_num_queries(1):
        assert call_back() == 0


def test_hosts_that_always_lend_and_have_room_cost_nothing(nights: World, django_assert_num_queries: Any) -> None:
    running_spot(nights, "spot")
    Host.objects.update(spot="always")
    with django_assert_num_queries(1):
        assert call_back() == 0
    with django_assert_num_queries(1):
        assert bring_back() == 0


# --- coming back ---------------------------------------------------------------------------------------------------------


def away(world: World, clock: Clock, name: str = "spot") -> Accelerator:
    """Preempted at the end of a window."""
    spot = running_spot(world, name)
    clock.now = CLOSES - lead()
    call_back()
    drain(skip_pauses=False)
    clock.now = CLOSES - timedelta(seconds=1)
    drain(skip_pauses=False)
    spot.refresh_from_db()
    assert spot.preempted_at is not None
    return spot


def test_it_comes_back_when_its_window_opens_if_its_plan_says_so(nights: World, clock: Clock) -> None:
    Plan.objects.filter(slug="spot-256m").update(comes_back=True)
    spot = away(nights, clock)
    assert bring_back() == 0
    clock.now = OPENS
    assert bring_back() == 1
    assert bring_back() == 0
    drain()
    spot.refresh_from_db()
    assert (spot.state, spot.preempted_at, spot.power_wanted) == ("running", None, "running")
    assert unequal_sums() == []


def test_it_stays_away_unless_its_plan_says_so(nights: World, clock: Clock) -> None:
    away(nights, clock)
    clock.now = OPENS
    assert bring_back() == 0


def test_nobody_is_brought_back_who_is_suspended_or_stopped_it_himself(nights: World, clock: Clock) -> None:
    Plan.objects.filter(slug="spot-256m").update(comes_back=True)
    by_himself = running_spot(nights, "himself")
    stop(actor=nights.actor, accelerator_id=by_himself.pk)
    drain()
    away(nights, clock)
    clock.now = OPENS
    Account.objects.update(state="suspended")
    assert bring_back() == 0
    Account.objects.update(state="active")
    assert bring_back() == 1
    assert Accelerator.objects.get(pk=by_himself.pk).state == "stopped"


def test_the_longest_away_comes_first_where_room_is_short(nights: World, clock: Clock) -> None:
    Plan.objects.filter(slug="spot-256m").update(comes_back=True)
    rows = [running_spot(nights, f"spot-{number}") for number in range(3)]
    clock.now = CLOSES - lead()
    call_back()
    drain(skip_pauses=False)
    clock.now = CLOSES - timedelta(seconds=1)
    drain(skip_pauses=False)
    for number, row in enumerate(rows):
        Accelerator.objects.filter(pk=row.pk).update(preempted_at=CLOSES - timedelta(minutes=number))
    clock.now = OPENS
    Host.objects.update(cap_memory_mib=256)
    assert bring_back() == 1
    assert Accelerator.objects.get(state="starting").pk == rows[2].pk


def test_the_clock_does_it_all(nights: World, clock: Clock) -> None:
    Plan.objects.filter(slug="spot-256m").update(comes_back=True)
    spot = running_spot(nights, "spot")
    clock.now = CLOSES - lead()
    tasks.look_after_lent_room()
    drain(skip_pauses=False)
    clock.now = CLOSES - timedelta(seconds=1)
    drain(skip_pauses=False)
    clock.now = OPENS
    tasks.look_after_lent_room()
    drain()
    assert Accelerator.objects.get(pk=spot.pk).state == "running"
    assert not Operation.objects.exclude(state="succeeded").exists()


def test_a_notice_given_for_room_may_pass_with_the_real_clock(nights: World) -> None:
    running_spot(nights, "spot")
    Host.objects.update(spot="never")
    call_back()
    drain(skip_pauses=False)
    let_notice_pass()
    drain(skip_pauses=False)
    assert Accelerator.objects.get().state == "stopped"
