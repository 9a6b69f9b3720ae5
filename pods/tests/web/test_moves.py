"""The console: plans shown before they are begun, runs steered, windows planned."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accelerators.testing.world import World
from accounts.actor import system
from accounts.models import User
from mcp.events.models import Event
from mcp.testing.web import text_of
from pods.models import Host, MaintenanceWindow, MoveRun
from pods.services.evacuate import evacuate
from pods.tests.services.test_evacuate import carry_on, full_host

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def test_evacuating_a_host_from_its_page(world: World, console: Client) -> None:
    host = full_host(world, 3)
    assert "evacuate…" in text_of(console.get(f"/admin/pods/host/{host.pk}/change/"))
    page = f"/admin/pods/host/{host.pk}/evacuate/"
    shown = console.get(page)
    text = text_of(shown)
    assert "0 of 3 moved; at most" in text
    assert all(f"web-{n}" in text for n in range(3))
    assert re.search(r'class="used" width="\d+"', shown.content.decode())
    host.refresh_from_db()
    assert (host.duty, MoveRun.objects.count()) == ("active", 0)
    begun = console.post(page, {"parallel": "3", "reason": "new fans"}, follow=True)
    run = MoveRun.objects.get()
    assert begun.redirect_chain[-1][0] == f"/admin/pods/moverun/{run.pk}/change/"
    assert (run.parallel, run.reason, run.actor) == (3, "new fans", "operator")
    assert "has begun" in text_of(begun)
    carry_on(run)
    assert "3 of 3 moved." in text_of(console.get(f"/admin/pods/moverun/{run.pk}/change/"))


def test_bad_values_and_refusals_are_said_on_the_page(world: World, console: Client) -> None:
    host = full_host(world, 1)
    page = f"/admin/pods/host/{host.pk}/evacuate/"
    assert "Moves at once" in text_of(console.get(f"{page}?parallel=1000"))
    console.post(page, {"parallel": "1"})
    assert "There is a live evacuation of h1 already" in text_of(console.get(page))
    assert "There is a live evacuation of h1 already" in text_of(console.post(page, {"parallel": "1"}))
    assert MoveRun.objects.count() == 1


def test_rebalancing_a_pod_from_its_page(world: World, console: Client) -> None:
    full_host(world, 4)
    assert "rebalance…" in text_of(console.get(f"/admin/pods/pod/{world.pod.pk}/change/"))
    page = f"/admin/pods/pod/{world.pod.pk}/rebalance/"
    assert "There is nothing to move." in text_of(console.get(page))
    assert "0 of 2 moved" in text_of(console.get(f"{page}?minimum_gain=0.001"))
    console.post(page, {"parallel": "2", "minimum_gain": "0.001"})
    assert MoveRun.objects.get().minimum_gain == 0.001


def test_buttons_steer_a_run(world: World, console: Client) -> None:
    run = evacuate(actor=system(), host=full_host(world, 1))
    for verb, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        console.post(f"/admin/pods/moverun/{run.pk}/do/{verb}/")
        run.refresh_from_db()
        assert run.state == state
    assert "can" in text_of(console.post(f"/admin/pods/moverun/{run.pk}/do/resume/", follow=True))
    assert run.state == "aborted"


def test_windows_are_planned_and_cancelled_in_the_console(world: World, console: Client) -> None:
    host = full_host(world, 1)
    at = timezone.now() + timedelta(days=1)
    fields = {
        "pod": str(world.pod.pk), "host": str(host.pk), "starts_at_0": f"{at:%Y-%m-%d}", "starts_at_1": "08:00:00",
        "ends_at_0": f"{at:%Y-%m-%d}", "ends_at_1": "09:00:00", "duty": "maintenance", "reason": "New fans.",
    }  # fmt: skip
    answer = console.post("/admin/pods/maintenancewindow/add/", fields, follow=True)
    window = MaintenanceWindow.objects.get()
    assert (window.host, window.actor, window.state) == (host, "operator", "planned"), text_of(answer)
    assert Event.objects.filter(kind="maintenance.planned").count() == 1
    overlapping = text_of(console.post("/admin/pods/maintenancewindow/add/", fields, follow=True))
    assert "overlaps" in overlapping
    console.post(f"/admin/pods/maintenancewindow/{window.pk}/do/cancel/")
    window.refresh_from_db()
    assert window.state == "cancelled"


def test_for_operators_only(world: World, client: Client) -> None:
    host = Host.objects.get(name="h1")
    client.force_login(world.user)
    for page in (f"/admin/pods/host/{host.pk}/evacuate/", f"/admin/pods/pod/{world.pod.pk}/rebalance/"):
        for send in (client.get, client.post):
            assert send(page).status_code in (302, 403)
    assert not MoveRun.objects.exists()
