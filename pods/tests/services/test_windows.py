"""Maintenance windows: announced, opened, closed, cancelled; and what hosts go back to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accelerators.testing.world import World
from accounts.actor import system
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.models import AuditEntry, Event
from pods.models import Host, MaintenanceWindow, Pod
from pods.services.evacuate import evacuate
from pods.services.keep_windows import keep_windows
from pods.services.windows import cancel_window, plan_window
from pods.states import HostDuty, WindowState
from pods.tests.services.test_evacuate import full_host

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def plan(place: Host | Pod, starts: timedelta = HOUR, ends: timedelta = 2 * HOUR, **more: Any) -> MaintenanceWindow:
    now = timezone.now()
    return plan_window(actor=system(), place=place, starts_at=now + starts, ends_at=now + ends, **{"reason": "New fans.", **more})


def shift(window: MaintenanceWindow, by: timedelta) -> None:
    """Time passes."""
    window.refresh_from_db()
    MaintenanceWindow.objects.filter(pk=window.pk).update(starts_at=window.starts_at - by, ends_at=window.ends_at - by)


def duties() -> dict[str, str]:
    return dict(Host.objects.values_list("name", "duty"))


def told(kind: str) -> list[Event]:
    return list(Event.objects.filter(kind=f"maintenance.{kind}"))


def test_the_whole_life_of_a_window(world: World) -> None:
    host = full_host(world, 2)
    window = plan(host)
    assert (window.state, len(told("planned")), duties()) == ("planned", 2, {"h1": "active", "h2": "active"})
    message = told("planned")[0].message
    assert message.endswith("UTC: New fans.")
    assert "h1" not in message
    assert AuditEntry.objects.get(action="maintenance.plan").changes["guests_told"] == 2
    assert keep_windows() == 0
    shift(window, HOUR)
    assert keep_windows() == 1
    assert keep_windows() == 0
    assert duties() == {"h1": "maintenance", "h2": "active"}
    assert len(told("begun")) == 2
    shift(window, HOUR)
    assert keep_windows() == 1
    window.refresh_from_db()
    assert (window.state, duties()) == ("closed", {"h1": "active", "h2": "active"})
    assert len(told("ended")) == 2


def test_a_pods_window_takes_all_its_hosts_and_gives_each_back_what_it_had(world: World) -> None:
    Host.objects.filter(name="h2").update(duty="draining")
    window = plan(world.pod)
    shift(window, HOUR)
    keep_windows()
    assert duties() == {"h1": "maintenance", "h2": "maintenance"}
    shift(window, HOUR)
    keep_windows()
    assert duties() == {"h1": "active", "h2": "draining"}


def test_what_an_operator_changed_meanwhile_stays(world: World) -> None:
    Host.objects.filter(name="h2").update(duty="maintenance")
    window = plan(world.pod, duty=HostDuty.DRAINING)
    shift(window, HOUR)
    keep_windows()
    assert duties() == {"h1": "draining", "h2": "maintenance"}
    Host.objects.filter(name="h1").update(duty="active")
    shift(window, HOUR)
    keep_windows()
    assert duties() == {"h1": "active", "h2": "maintenance"}


def test_a_host_that_is_being_evacuated_goes_back_to_draining(world: World) -> None:
    host = full_host(world, 1)
    window = plan(host)
    shift(window, HOUR)
    keep_windows()
    host.refresh_from_db()
    evacuate(actor=system(), host=host)
    shift(window, HOUR)
    keep_windows()
    assert duties()["h1"] == "draining"


@pytest.mark.parametrize("opened", [False, True])
def test_cancelling_brings_hosts_back_at_once_and_is_told(world: World, opened: bool) -> None:
    window = plan(full_host(world, 1))
    if opened:
        shift(window, HOUR)
        keep_windows()
    assert cancel_window(actor=system(), window=window).state == WindowState.CANCELLED
    assert cancel_window(actor=system(), window=window).state == WindowState.CANCELLED
    assert (duties()["h1"], len(told("cancelled"))) == ("active", 1)
    shift(window, HOUR)
    assert keep_windows() == 0


def test_a_window_that_the_clock_missed_is_over(world: World) -> None:
    window = plan(world.pod)
    shift(window, 3 * HOUR)
    assert keep_windows() == 1
    window.refresh_from_db()
    assert (window.state, set(duties().values()), told("begun")) == ("closed", {"active"}, [])
    with pytest.raises(Conflict, match="over"):
        cancel_window(actor=system(), window=window)


def test_windows_do_not_overlap_for_a_host(world: World) -> None:
    h1, h2 = Host.objects.select_related("pod").order_by("name")
    plan(h1)
    plan(h2)
    plan(h1, 2 * HOUR, 3 * HOUR)
    for place in (h1, world.pod):
        with pytest.raises(Conflict, match="overlaps"):
            plan(place, 1.5 * HOUR, 4 * HOUR)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends": HOUR, "starts": 2 * HOUR}, "ends_at"), ({"starts": -3 * HOUR, "ends": -HOUR}, "ends_at"),
        ({"ends": timedelta(days=40)}, "ends_at"), ({"reason": " "}, "reason"), ({"reason": "x" * 201}, "reason"),
        ({"duty": HostDuty.RETIRED}, "duty"),
    ],
)  # fmt: skip
def test_each_bad_field_is_named(world: World, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(world.pod, **changes)
    assert refused.value.errors[0].field == field


def test_only_operators(world: World) -> None:
    window = plan(world.pod)
    later: datetime = timezone.now() + HOUR
    with pytest.raises(Forbidden):
        cancel_window(actor=world.actor, window=window)
    with pytest.raises(Forbidden):
        plan_window(actor=world.actor, place=world.pod, starts_at=later, ends_at=later + HOUR, reason="x")


def test_a_window_over_many_guests_costs_a_fixed_number_of_queries(world: World, django_assert_max_num_queries: Any) -> None:
    full_host(world, 6)
    with django_assert_max_num_queries(16):
        plan(world.pod)
    assert len(told("planned")) == 6
