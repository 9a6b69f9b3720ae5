"""The console's page of what-if questions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accelerators.testing.make import ask_for
from accelerators.web.pictures import capacity_bars, runway_line
from accounts.actor import Actor
from accounts.models import User
from mcp.testing.web import text_of
from pods.models import CapacitySample, Pod

PAGE = "/admin/whatif/"


@pytest.fixture
def console(pod: Pod, actor: Actor, client: Client) -> Client:
    """An operator; some guests are there."""
    ask_for(actor, "web", count=6)
    ask_for(actor, "db", count=2, spread="host")
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def history(pod: Pod, days: int, per_day: int) -> None:
    """Memory grew by so many MiB a day."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    CapacitySample.objects.bulk_create(
        CapacitySample(
            pod=pod, at=now - timedelta(days=ago), daily=True, hosts=2, guests=1, cap_cpu_m=1, cap_memory_mib=100_000,
            cap_disk_gib=1, used_cpu_m=0, used_memory_mib=(days - ago) * per_day, used_disk_gib=0,
        )
        for ago in range(days, -1, -1)
    )  # fmt: skip


def test_the_page_without_a_question_tells_how_things_stand(console: Client) -> None:
    page = console.get(PAGE)
    words = text_of(page)
    assert page.status_code == 200
    assert "Nothing is supposed: 2 hosts as they are." in words
    assert "the loss of 0 of 2 hosts" in words
    assert "Not enough history: 0 samples" in words


def test_a_question_and_its_answer(console: Client) -> None:
    words = text_of(console.get(PAGE, {"lose_host": "sim1-h1", "plan": "zone-256m", "count": "10000"}))
    assert "does not fit" in words
    assert "1 find none: spread" in words
    assert "acme/db-" in words
    assert "of 10000 more zone-256m" in words
    assert "1 host looked at" in words


def test_faults_stand_beside_their_fields_and_nothing_is_answered(console: Client) -> None:
    page = console.get(PAGE, {"lose_host": "nobody", "plan": "zone-256m"})
    body = page.content.decode()
    assert page.status_code == 400
    assert "There is no host &#x27;nobody&#x27;" in body
    assert "Say how many of the plan" in body
    assert 'value="nobody"' in body
    assert "Answer" not in text_of(page)
    assert console.get(PAGE, {"count": "many"}).status_code == 400
    assert console.get(PAGE, {"lose_pod": "mars"}).status_code == 400
    assert "&lt;script&gt;" in console.get(PAGE, {"lose_host": "<script>"}).content.decode()


def test_nothing_is_inline_so_the_policy_lets_it_be(console: Client, pod: Pod) -> None:
    history(pod, 14, 1000)
    body = console.get(PAGE, {"lose_host": "sim1-h1"}).content.decode()
    main = body[body.index('id="content-main"') :]
    assert "<svg" in main
    assert not re.search(r"<script(?! src)|<style|\sstyle=|\son\w+=", main)


def test_the_runway_is_drawn_and_said(console: Client, pod: Pod) -> None:
    history(pod, 14, 1000)
    page = console.get(PAGE)
    body = page.content.decode()
    assert re.search(r'<polyline class="was" points="[\d., ]+"/><polyline class="ahead" points="[\d., ]+"/>', body)
    assert re.search(r"Memory is full in \d+ \w+ at the growth of 14 days", text_of(page))


def test_for_staff_only(console: Client, actor: Actor) -> None:
    stranger = Client()
    assert stranger.get(PAGE).status_code == 302
    assert actor.user is not None
    stranger.force_login(actor.user)
    assert stranger.get(PAGE).status_code == 302
    assert console.post(PAGE).status_code in (403, 405)


def test_every_page_of_the_console_links_to_it(console: Client) -> None:
    assert f'href="{PAGE}"' in console.get("/admin/").content.decode()


def test_queries_do_not_grow_with_the_fleet(console: Client, actor: Actor, django_assert_max_num_queries: Any) -> None:
    ask_for(actor, "more", count=40)
    with django_assert_max_num_queries(16):
        console.get(PAGE, {"lose_host": "sim1-h1"})


def room(cap: int, used: int, stranded: int) -> dict[str, int]:
    return {"cap": cap, "used": used, "free": cap - used, "stranded": stranded}


def test_bars_never_leave_their_field() -> None:
    pod = {"cpu_m": room(0, 0, 0), "memory_mib": room(1024, 1100, 500), "disk_gib": room(100, 60, 30)}
    cpu, memory, disk = capacity_bars(pod)
    assert (cpu.used, cpu.stranded) == (0, 0)
    assert (memory.used, memory.stranded) == (100, 0)
    assert (disk.used, disk.stranded, disk.words) == (60, 30, "60 of 100 GiB, 40 free, 30 stranded")


@pytest.mark.parametrize(
    ("days", "ahead"), [(None, ""), (0.0, "100.0,20.0 100.0,0.0"), (5.6, "100.0,20.0 120.0,0.0"), (22.4, "100.0,20.0 140.0,10.0")]
)
def test_the_line_ahead_ends_where_the_field_does(days: float | None, ahead: str) -> None:
    line = runway_line({"history": [[14.0, 0.25], [0.0, 0.5]], "days": days, "sentence": "s"})
    assert line.points == "50.0,30.0 100.0,20.0"
    assert line.ahead == ahead


def test_one_point_is_no_line() -> None:
    assert runway_line({"history": [[0.0, 0.5]], "days": None, "sentence": "s"}).points == ""
    assert runway_line({"history": [], "days": 3.0, "sentence": "s"}).ahead == ""
