"""The list: what it shows, finds, sums up, and costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.testing.world import World, make_world
from mcp.testing.drain import drain
from mcp.testing.web import HTMX, text_of


def test_an_empty_account_is_told_what_to_do(owner: Client, viewer: Client) -> None:
    assert "Create the first one" in text_of(owner.get("/"))
    assert "Create the first one" not in text_of(viewer.get("/"))


def test_a_line_says_what_matters(world: World, owner: Client) -> None:
    world.running("web", tags={"role": "front"})
    page = text_of(owner.get("/"))
    for words in ("web", "running", "seen running", "role=front", "10.99.0.2", world.pod.slug, "$19.90", "a month"):
        assert words in page, words


def test_an_old_observation_is_not_passed_off_as_fresh(world: World, owner: Client) -> None:
    row = world.running("web")
    Accelerator.objects.filter(pk=row.pk).update(observed_at=timezone.now() - timedelta(minutes=4, seconds=5))
    assert "unknown, last seen 4 min ago" in text_of(owner.get("/"))


def test_the_sum_counts_what_is_held_and_not_the_trash(world: World, owner: Client) -> None:
    world.create("a", count=3)
    drain()
    gone = Accelerator.objects.get(name="a-1")
    delete(actor=world.actor, accelerator_id=gone.pk)
    drain()
    page = text_of(owner.get("/"))
    assert "$39.80 a month" in page
    assert "a-1" not in page
    assert "a-1" in text_of(owner.get("/trash/"))


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=front", {"front-1"}), ("q=role%3Dweb", {"front-1"}), ("q=role", {"front-1", "back"}), ("q=role%3Ddb", {"back"}),
     ("q=nothing", set()), ("state=running", {"front-1", "back"}), ("state=stopped", set()),
     ("state=rubbish", {"front-1", "back"})],
)  # fmt: skip
def test_search_by_name_tag_and_state(world: World, owner: Client, query: str, found: set[str]) -> None:
    world.create("front-1", tags={"role": "web"})
    world.create("back", tags={"role": "db"})
    drain()
    assert {line.row.name for line in owner.get(f"/?{query}").context["lines"]} == found


def test_pages_by_key_show_everything_once(world: World, owner: Client) -> None:
    world.create("n", count=30)
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        context = owner.get(f"/?cursor={cursor}").context
        seen += [line.row.name for line in context["lines"]]
        cursor = context["page"].next
        if not cursor:
            break
    assert len(seen) == 30
    assert len(set(seen)) == 30


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "MjAyNnxub3R1dWlk", "9" * 400])
def test_a_broken_cursor_is_the_first_page(world: World, owner: Client, cursor: str) -> None:
    world.create("web")
    assert len(owner.get(f"/?cursor={cursor}").context["lines"]) == 1


def test_the_page_costs_the_same_for_one_and_for_many(world: World, owner: Client) -> None:
    world.create("one")
    with CaptureQueriesContext(connection) as few:
        owner.get("/")
    world.create("more", count=20, tags={"a": "b"})
    with CaptureQueriesContext(connection) as many:
        owner.get("/")
    assert len(many) == len(few) == 8


def test_polling_swaps_nothing_when_nothing_changed(world: World, owner: Client) -> None:
    world.create("web")
    first = owner.get("/")
    assert first.context["live"]
    assert 'hx-trigger="every 1s"' in first.content.decode()
    assert owner.get(f"/?seen={first.context['seen']}", headers=HTMX).status_code == 204
    drain()
    after = owner.get(f"/?seen={first.context['seen']}", headers=HTMX)
    assert after.status_code == 200
    assert "hx-trigger" not in after.content.decode()
    assert "<html" not in after.content.decode()


def test_another_accounts_things_are_not_listed(world: World, owner: Client) -> None:
    make_world(cidr="10.98.0.0/24").create("theirs")
    assert "theirs" not in text_of(owner.get("/"))
    assert "theirs" not in text_of(owner.get("/?q=theirs"))
    assert "theirs" not in text_of(owner.get("/trash/"))
