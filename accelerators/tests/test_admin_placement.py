"""The console on placement: why there was no room, how the best hosts scored, and the knobs."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from accelerators.models import Plan
from accelerators.testing.masks import EVERY, HOSTS, build
from accelerators.testing.world import World
from accounts.models import User
from accounts.testing import client_with, make_key
from mcp.events.models import AuditEntry
from mcp.testing.web import text_of
from pods.models import Host, Image, PlacementWeight, Pod, Refusal
from pods.placement.scores import TERMS
from pods.placement.words import MEANINGS

SPOT = {"spot": "never", "spot_windows": "[]"}
WEIGHTS = "/admin/pods/placementweight/"


@pytest.fixture
def console(db: None, client: Client) -> Client:
    """An operator, not a superuser."""
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def refuse(world: World, **wish: Any) -> Refusal:
    answer = client_with(make_key(world.account)).post(
        "/api/v1/accelerators", {"name": "wanted", "plan": "zone-256m", "image": world.image.slug, **wish}
    )
    assert answer.status_code == 409, answer.content
    return Refusal.objects.get()


def rows_of(body: str) -> dict[str, tuple[str, int, int]]:
    """The table of masks: meaning, taken away, left."""
    number = r'<td class="number">(-?\d+)</td>'
    cells = rf'<tr data-mask="(\w+)"[^>]*><th scope="row">\1</th><td>([^<]*)</td>{number}{number}</tr>'
    return {mask: (unescape(meaning), int(removed), int(left)) for mask, meaning, removed, left in re.findall(cells, body)}


class Drawing(HTMLParser):
    """Bars of the pictures, and attributes that a strict policy would block."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.bars: dict[str, list[tuple[float, float]]] = {}
        self.blocked: list[str] = []
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "rect":
            kind = str(found["class"]).split()[0]
            self.bars.setdefault(kind, []).append((float(found.get("x") or 0), float(found["width"] or 0)))
        self.blocked += [f"{tag} {name}" for name, _ in attrs if tag in ("svg", "rect", "text") and name in ("style", "onclick")]


@pytest.mark.parametrize("mask", EVERY)
def test_each_mask_in_turn_stands_in_the_table_and_the_picture(console: Client, mask: str) -> None:
    case = build(mask)
    row = refuse(case.world, **case.wish)
    body = console.get(f"/admin/pods/refusal/{row.pk}/change/").content.decode()
    table = rows_of(body)
    assert list(table) == list(EVERY), "every mask, in its order"
    for name, (meaning, removed, left) in table.items():
        assert (meaning, removed, left) == (MEANINGS[name], case.counts.get(name, 0), case.left[name])
    drawing = Drawing(body)
    assert drawing.blocked == []
    taken = {name: number for name, number in case.counts.items() if number}
    ordered = [taken[name] for name in EVERY if name in taken]
    assert [round(width / 360 * len(HOSTS)) for _, width in drawing.bars["bite"]] == ordered
    words = text_of(console.get(f"/admin/pods/refusal/{row.pk}/change/"))
    assert f"{len(HOSTS)} hosts looked at; 0 of 1 placed; decided in" in words


def test_a_refusal_names_hosts_that_lack_least_and_what_was_asked(console: Client) -> None:
    case = build("memory")
    row = refuse(case.world, name="big", group="herd")
    words = text_of(console.get(f"/admin/pods/refusal/{row.pk}/change/"))
    assert "Nearest misses" in words
    assert "lacks 2999 MiB of memory" in words
    assert "group herd" in words
    assert case.world.account.slug in words
    listed = text_of(console.get("/admin/pods/refusal/"))
    assert "1 × zone-256m" in listed
    assert "no room in any pod" in listed


def test_the_list_is_filtered_and_linked_from_the_first_page(console: Client) -> None:
    case = build("state")
    refuse(case.world)
    Refusal.objects.create(code="placement.contended", sentence="contended", created_at="2020-01-01T00:00:00Z")
    first = console.get("/admin/")
    assert "1 refused in 24 h" in text_of(first)
    assert 'href="/admin/pods/refusal/?since=day"' in first.content.decode()

    def found(**filters: str) -> list[str]:
        page = console.get("/admin/pods/refusal/", filters)
        return [row.code for row in page.context["cl"].result_list]

    assert found() == ["placement.capacity_exhausted", "placement.contended"]
    assert found(since="day") == ["placement.capacity_exhausted"]
    assert found(code="placement.contended") == ["placement.contended"]
    assert found(since="nonsense") == found()


OTHER_SHAPES: list[dict[str, Any]] = [
    {},
    {"operator": {}},
    {"operator": {"evaluated": 0, "removed": {}, "short": {}}},
    {"operator": {"evaluated": 3, "removed": {"rack": 3}, "short": {}, "top": []}},
]


def test_refusals_of_other_shapes_open_too(console: Client) -> None:
    for placement in OTHER_SHAPES:
        row = Refusal.objects.create(code="placement.contended", sentence="x", placement=placement)
        page = console.get(f"/admin/pods/refusal/{row.pk}/change/")
        assert page.status_code == 200
    assert rows_of(page.content.decode())["rack"] == ("rack", 3, 0), "a mask that this version does not know"


def test_an_operation_shows_scores_as_bars_with_weights(world: World, console: Client) -> None:
    operation = world.create("web").operations[0]
    page = console.get(f"/admin/operations/operation/{operation.pk}/change/")
    body, words = page.content.decode(), text_of(page)
    assert operation.placement is not None
    top = operation.placement["operator"]["top"]
    weights = operation.placement["operator"]["weights"]
    assert len(top) == 2
    drawing = Drawing(body)
    segments = drawing.bars["term"]
    per_host = len(top[0]["terms"])
    for number, entry in enumerate(top):
        mine = segments[number * per_host : (number + 1) * per_host]
        most = sum(weights[term] for term in entry["terms"])
        assert sum(width for _, width in mine) == pytest.approx(360 * entry["score"] / most, abs=0.5)
        assert [x for x, _ in mine] == sorted(x for x, _ in mine), "stacked"
        assert str(entry["score"]) in words
    assert "balance × 1.0" in words
    assert "decided in" in words


# --- the knobs --------------------------------------------------------------------------------------------------------


def test_every_weight_is_shown_and_set(console: Client) -> None:
    words = text_of(console.get(WEIGHTS))
    assert all(term in words and meaning in words for term, meaning in TERMS.items())
    form = {"pack": "2.5", "balance": "", "near": "2"}
    assert "The weights are set" in text_of(console.post(WEIGHTS, form, follow=True))
    assert dict(PlacementWeight.objects.values_list("term", "weight")) == {"pack": 2.5}, "what is as it was is not written"
    entry = AuditEntry.objects.get(action="placement.weights")
    assert (entry.actor, entry.changes) == ("operator", {"pack": 2.5})
    console.post(WEIGHTS, {"pack": ""})
    assert not PlacementWeight.objects.exists(), "an empty field is the default"
    assert "Nothing differs" in text_of(console.post(WEIGHTS, {}, follow=True))


@pytest.mark.parametrize(
    ("text", "words"), [("101", "use 0 to 100"), ("-1", "use 0 to 100"), ("x", "is no number"), ("nan", "use 0")]
)
def test_bad_weights_stand_beside_their_terms_and_keep_what_was_typed(console: Client, text: str, words: str) -> None:
    page = console.post(WEIGHTS, {"pack": text, "calm": "3"})
    assert page.status_code == 400
    assert words in text_of(page)
    assert 'name="pack"' in page.content.decode()
    assert 'value="3"' in page.content.decode()
    assert not PlacementWeight.objects.exists()


def test_customers_set_no_weights(world: World, client: Client) -> None:
    client.force_login(world.user)
    assert client.post(WEIGHTS, {"pack": "1"}).status_code in (302, 403)
    assert not PlacementWeight.objects.exists()


def test_a_hosts_traits_and_account_change_nothing_else(world: World, console: Client) -> None:
    host = Host.objects.get(name="h1")
    url = f"/admin/pods/host/{host.pk}/change/"
    page = console.get(url)
    assert 'name="traits"' in page.content.decode()
    world.create("web", count=2, spread="host")
    used = Host.objects.get(pk=host.pk).used_memory_mib
    assert used
    assert console.post(url, {**SPOT, "traits": "ssd, gpu ssd", "exclusive_account_id": world.account.slug}).status_code == 302
    host.refresh_from_db()
    assert (host.traits, host.exclusive_account_id, host.used_memory_mib) == (["ssd", "gpu"], world.account.pk, used)
    assert world.account.slug in console.get(url).content.decode()
    entry = AuditEntry.objects.get(action="host.edit", target_id=str(host.pk))
    assert set(entry.changes) == {"traits", "exclusive_account_id"}
    assert not AuditEntry.objects.filter(action="console.host.change").exists(), "one deed, one row"
    console.post(url, {**SPOT, "traits": "", "exclusive_account_id": ""})
    host.refresh_from_db()
    assert (host.traits, host.exclusive_account_id) == ([], None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"traits": "GPU"}, "lower case"), ({"traits": "a" * 41}, "1 to 40"), ({"exclusive_account_id": "nobody"}, "no account")],
)
def test_bad_words_on_a_host_are_told(world: World, console: Client, fields: dict[str, str], words: str) -> None:
    host = Host.objects.get(name="h1")
    form = {**SPOT, "traits": "", "exclusive_account_id": "", **fields}
    assert words in text_of(console.post(f"/admin/pods/host/{host.pk}/change/", form))
    host.refresh_from_db()
    assert (host.traits, host.exclusive_account_id) == ([], None)


def test_plans_images_and_pods(world: World, console: Client) -> None:
    plan = Plan.objects.get(slug="zone-256m")
    prices = {
        "name": plan.name,
        "price_hourly": "0.03",
        "price_monthly": "21.00",
        "price_yearly": "210",
        "position": "0",
        "active": "on",
    }
    url = f"/admin/accelerators/plan/{plan.pk}/change/"
    assert console.post(url, {**prices, "required_traits": "ssd", "forbidden_traits": "old"}).status_code == 302
    plan.refresh_from_db()
    assert (plan.required_traits, plan.forbidden_traits) == (["ssd"], ["old"])
    both = text_of(console.post(url, {**prices, "required_traits": "ssd", "forbidden_traits": "ssd"}))
    assert "required already: ssd" in both
    image = {"os": "x", "description": "", "min_memory_mib": "0", "min_disk_gib": "1", "required_traits": "kernel-6"}
    assert console.post(f"/admin/pods/image/{world.image.pk}/change/", image).status_code == 302
    assert Image.objects.get(pk=world.image.pk).required_traits == ["kernel-6"]
    page = console.get(f"/admin/pods/pod/{world.pod.pk}/change/").content.decode()
    assert 'name="n_plus_one"' in page
    assert not Pod.objects.get(pk=world.pod.pk).n_plus_one
