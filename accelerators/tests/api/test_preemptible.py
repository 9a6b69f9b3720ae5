"""What callers of the API see of preemptible accelerators, and of the wait for their room."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accelerators.models import Accelerator
from accelerators.testing.lending import PLACES, let_notice_pass
from accelerators.testing.make import ask_for, make_running
from accelerators.testing.world import ensure_spot_plan, unequal_sums
from accounts.actor import Actor
from mcp.events.models import Event
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.models import Host, Pod

PATH = "/api/v1/accelerators"
FIRM = {"name": "firm", "plan": "zone-256m", "image": "debian-12"}


@pytest.fixture
def full(actor: Actor, pod: Pod) -> list[Accelerator]:
    """Four preemptible accelerators on the only host that takes guests, which is full with them."""
    ensure_spot_plan()
    Host.objects.filter(name="sim1-h2").update(duty="draining")
    Host.objects.filter(name="sim1-h1").update(spot="always", cap_memory_mib=PLACES * 256)
    return [make_running(actor, f"spot-{number}", plan="spot-256m") for number in range(PLACES)]


def test_a_dry_run_tells_that_it_will_wait(api: APIClient, full: list[Accelerator]) -> None:
    body = api.post(f"{PATH}?dry_run=true", FIRM).json()
    assert body["steps"] == [
        "Copying the image to the host", "Building the file system and the network port",
        "Waiting up to 120 s and a stop for preemptible accelerators to leave", "Booting", "Waiting until it answers",
    ]  # fmt: skip
    assert 100 < (datetime.fromisoformat(body["placement"]["room_by"]) - timezone.now()).total_seconds() <= 120
    assert not Operation.objects.filter(kind="accelerator.preempt").exists()
    assert not Accelerator.objects.filter(preempt_at__isnull=False).exists()
    assert unequal_sums() == []


def test_without_displacing_nothing_is_said_of_waiting(api: APIClient, pod: Pod, plan: Any) -> None:
    body = api.post(f"{PATH}?dry_run=true", FIRM).json()
    assert not any("preemptible" in step for step in body["steps"])
    assert "room_by" not in body["placement"]


def test_the_whole_way(api: APIClient, full: list[Accelerator]) -> None:
    made = api.post(PATH, FIRM)
    assert made.status_code == 202
    drain(skip_pauses=False)
    assert (
        api.get(f"{PATH}/firm").json()["operation"]["message"].startswith("Waiting for preemptible accelerators to leave until")
    )
    told = next(row for row in api.get(PATH).json()["results"] if row["preempt_at"])
    assert (told["preemptible"], told["preempt_reason"], told["preempted_at"], told["state"]) == (True, "room", None, "running")
    assert told["operation"]["kind"] == "accelerator.preempt"
    timeline = api.get(f"{PATH}/{told['name']}/timeline").json()["results"]
    assert timeline[0]["kind"] == "accelerator.preempt_notice"
    assert Event.objects.get(kind="accelerator.preempt_notice").account_id is not None, "so it is in /events, too"
    refused = api.post(f"{PATH}/{told['name']}/restart", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "operation.in_progress")
    let_notice_pass()
    drain()
    gone = api.get(f"{PATH}/{told['name']}").json()
    assert (gone["state"], gone["preempt_at"], gone["preempt_reason"]) == ("stopped", None, "room")
    assert gone["preempted_at"] is not None
    assert api.get(f"{PATH}/firm").json()["state"] == "running"
    again = api.post(f"{PATH}/{told['name']}/start", {}).json()
    assert again["code"] == "placement.no_idle_room"
    assert "sim1-h1" not in str(again), "customers read no host's name"


def test_a_start_out_of_hours_says_when_it_may(api: APIClient, full: list[Accelerator]) -> None:
    api.post(f"{PATH}/spot-0/stop", {})
    drain()
    Host.objects.update(spot="windows", spot_windows=[f"{day_after_tomorrow()} 19:00-20:00"])
    Pod.objects.update(time_zone="Europe/Amsterdam")
    answer = api.post(f"{PATH}/spot-0/start", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "placement.not_lending")
    assert "19:00 Europe/Amsterdam; start it then." in answer.json()["detail"]
    dry = api.post(f"{PATH}/spot-0/start?dry_run=true", {})
    assert dry.status_code == 409


def day_after_tomorrow() -> str:
    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(timezone.now().weekday() + 2) % 7]


def test_no_preemptible_one_displaces_another(actor: Actor, api: APIClient, full: list[Accelerator]) -> None:
    answer = api.post(PATH, {**FIRM, "plan": "spot-256m"})
    assert (answer.status_code, answer.json()["code"]) == (409, "placement.capacity_exhausted")
    ask_for(actor, "firm", count=PLACES)
    assert Operation.objects.filter(kind="accelerator.preempt").count() == PLACES
