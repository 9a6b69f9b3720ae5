"""A refused create in the portal: the reasons with their counts, a picture, and changes that fit, one click each."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accelerators.models import Accelerator, Plan
from accelerators.services.suggest import suggest
from accelerators.services.wish import CreateWish
from accelerators.testing.make import make_plan
from accelerators.testing.masks import AWAY, EVERY, HOME, HOSTS, build
from accelerators.testing.world import World
from accelerators.web.refused import refilled
from mcp.testing.web import Answer, hidden, text_of
from mcp.web.models import FormToken
from pods.models import Host, Pod, Refusal
from pods.placement.words import REASONS

URL = "/accelerators/new/"
FORM = {"count": "1", "plan": "zone-256m", "image": "busybox", "name": "wanted"}


def customer(world: World) -> Client:
    client = Client()
    client.force_login(world.user)
    return client


def sent(client: Client, **fields: Any) -> Any:
    return client.post(URL, {**FORM, "token": hidden(client.get(URL), "token"), **fields})


def reasons(page: Answer) -> dict[str, int]:
    """Mask and count of each line of the list."""
    lines = re.findall(r'<li data-mask="(\w+)"><strong>(\d+)</strong> ([^<]+)</li>', page.content.decode())
    assert all(words == REASONS[mask] for mask, _, words in lines), lines
    return {mask: int(number) for mask, number, _ in lines}


def offers(page: Answer) -> dict[str, str]:
    """The words of each button, and what it fills in."""
    found = re.findall(r'<button name="refill" value="([^"]*)" formnovalidate>([^<]+)</button>', page.content.decode())
    return {unescape(words): unescape(value) for value, words in found}


@pytest.mark.parametrize("mask", EVERY)
def test_each_mask_in_turn_is_told_in_words_with_its_count(db: None, mask: str) -> None:
    case = build(mask)
    page = sent(customer(case.world), **case.wish)
    assert page.status_code == 400
    assert reasons(page) == dict(case.counts)
    words = text_of(page)
    assert f"{len(HOSTS)} hosts looked at" in words
    picture = re.search(r"<svg class=\"funnel\".*?</svg>", page.content.decode(), re.DOTALL)
    assert picture is not None
    left = case.left[mask]
    assert f"{case.counts[mask]} {REASONS[mask]}, {left} left" in picture.group()
    assert picture.group().count('class="bite"') == len(case.counts)
    assert 'role="img"' in picture.group()
    assert "style=" not in picture.group(), "the policy forbids it"
    assert [secret for secret in case.secrets if secret in page.content.decode()] == []
    assert Refusal.objects.get().account_id == case.world.account.pk
    assert not FormToken.objects.filter(answer="").exists()


def test_the_largest_plan_that_fits_is_one_click_away(db: None) -> None:
    case = build("memory")
    Plan.objects.filter(slug="zone-256m").update(memory_mib=3000, disk_gib=5)
    Host.objects.filter(name="rankine").update(cap_memory_mib=700)
    for slug, memory in (("tiny", 128), ("small", 512), ("middle", 640), ("large", 900)):
        make_plan(slug, memory_mib=memory, disk_gib=4, position=90)
    client = customer(case.world)
    page = sent(client, name="kept", user_script="#!/bin/sh\ntrue\n", protected="on", tags="role=web")
    (words, value), *_ = [offer for offer in offers(page).items() if "plan" in offer[0]]
    assert (words, value) == ("Take the plan middle (640 MiB, 1 vCPU, 4 GiB disk)", "plan=middle")
    fields = {**FORM, "name": "kept", "user_script": "#!/bin/sh\ntrue\n", "protected": "on", "tags": "role=web"}
    filled = client.post(URL, {**fields, "token": hidden(page, "token"), "refill": value})
    assert filled.status_code == 200
    form = filled.context["form"]
    assert {name: form[name].value() for name in ("name", "plan", "tags")} == {
        "name": "kept",
        "plan": "middle",
        "tags": "role=web",
    }
    assert "There is room for it" in text_of(filled)
    assert not Accelerator.objects.exists(), "nothing is made before the button is pressed"
    done = client.post(URL, {**fields, "plan": "middle", "token": hidden(filled, "token")})
    assert done.status_code == 302
    assert Accelerator.objects.get().host == Host.objects.get(name="rankine")


def test_pods_with_room_are_offered(db: None) -> None:
    case = build("location")
    home = case.world.pod
    away = Pod.objects.exclude(pk=home.pk).get()
    page = sent(customer(case.world), location="Utrecht")
    assert offers(page)[f"Take the pod {home.slug}"] == f"pod={home.slug}&location="
    in_away = sent(customer(case.world), pod=away.slug)
    assert f"Take the pod {home.slug}" in offers(in_away)


def test_dropping_and_preferring_the_spread_are_offered_where_they_help(db: None) -> None:
    case = build("exclusive")
    Host.objects.update(exclusive_account_id=None)
    page = sent(customer(case.world), count="5", spread="host")
    found = offers(page)
    assert found["Prefer the spread"] == "spread_policy=preferred"
    assert found["Drop the spread"] == "spread=&spread_limit=1"
    assert found["Ask for 4 instead of 5"] == "count=4"


def test_a_group_with_members_is_left_since_it_keeps_its_way(db: None) -> None:
    case = build("spread")
    found = offers(sent(customer(case.world), **case.wish))
    assert found["Leave the group"] == "spread=&spread_limit=1&group="
    assert "Prefer the spread" not in found, "its members said otherwise"


def test_nearness_is_offered_as_a_preference(db: None) -> None:
    case = build("near")
    assert offers(sent(customer(case.world), **case.wish))["Prefer to be near the group"] == "near_policy=preferred"


@pytest.mark.parametrize("mask", ["state", "exclusive"])
def test_nothing_is_offered_that_would_not_fit(db: None, mask: str) -> None:
    case = build(mask)
    page = sent(customer(case.world), **case.wish)
    assert offers(page) == {}
    assert "What you can change" in text_of(page)


@pytest.mark.parametrize("mask", EVERY)
def test_every_offer_holds_when_it_is_asked_for(db: None, mask: str) -> None:
    case = build(mask)
    wish = CreateWish(**case.wish)
    for offer in suggest(account=case.world.account, wish=wish):
        changed = {**case.wish, **offer.changes, "name": f"n{abs(hash(offer.words))}"}
        page = sent(customer(case.world), **changed)
        assert page.status_code == 302, (offer, text_of(page))
        break  # the first one made may have taken the others' room


def test_a_button_fills_in_what_it_may_and_nothing_else() -> None:
    assert refilled("plan=a&token=1&name=x&user_script=y&pod=") == {"plan": "a", "pod": ""}
    assert refilled("=&&;%00") == {}
    assert refilled("plan=" + "x" * 5000)["plan"] == "x" * 995


def test_a_refill_with_nonsense_is_a_form_and_no_error(world: World) -> None:
    client = customer(world)
    for value in ("", "plan=nothing", "count=-1&pod=mars", "spread_limit=x", "%ff%fe"):
        page = client.post(URL, {**FORM, "refill": value, "token": hidden(client.get(URL), "token")})
        assert page.status_code == 200, value


def test_other_errors_show_no_such_card(world: World) -> None:
    world.create("wanted")
    page = sent(customer(world))
    assert page.status_code == 400
    assert "Why there is no room" not in text_of(page)
    assert not Refusal.objects.exists()


def test_the_price_panel_keeps_no_refusal(world: World) -> None:
    page = customer(world).post(f"{URL}price/", {**FORM, "plan": "zone-64g"})
    assert "no room" in text_of(page)
    assert not Refusal.objects.exists()


def test_the_fields_of_placement_reach_the_service(world: World) -> None:
    client = customer(world)
    fields = {
        "group": "herd", "spread": "host", "spread_limit": "2", "spread_policy": "preferred", "near": "other",
        "near_policy": "preferred", "count": "2",
    }  # fmt: skip
    assert sent(client, **fields).status_code == 302
    row = Accelerator.objects.first()
    assert row is not None
    said = (row.group, row.spread, row.spread_limit, row.spread_policy, row.near, row.near_policy)
    assert said == ("herd", "host", 2, "preferred", "other", "preferred")


def test_as_many_as_fit(db: None) -> None:
    case = build("exclusive")
    Host.objects.update(exclusive_account_id=None)
    client = customer(case.world)
    panel = client.post(f"{URL}price/", {**FORM, "count": "5", "spread": "host", "as_many_as_fit": "on"})
    assert "There is room for 4 of 5" in text_of(panel)
    assert sent(client, count="5", spread="host", as_many_as_fit="on").status_code == 302
    assert Accelerator.objects.count() == 4


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("group", "no spaces", "1 to 64"), ("near", "ghosts", "no accelerators"), ("spread_limit", "0", "greater than"),
     ("spread", "rack", "not one of"), ("location", "Mars", "not one of"), ("spread_policy", "maybe", "not one of")],
)  # fmt: skip
def test_faults_of_placement_stand_beside_their_fields_unfolded(world: World, field: str, value: str, words: str) -> None:
    page = sent(customer(world), **{field: value, "near_policy": "required"})
    assert page.status_code == 400
    assert words in " ".join(page.context["form"].errors[field])
    assert '<details class="card" id="placement" open>' in page.content.decode()


def test_the_section_is_folded_until_something_is_said(world: World) -> None:
    client = customer(world)
    assert '<details class="card" id="placement">' in client.get(URL).content.decode()
    assert '<details class="card" id="placement" open>' in client.get(f"{URL}?group=herd").content.decode()


def test_names_are_those_of_the_test_world(db: None) -> None:
    build("state")
    assert set(Host.objects.values_list("name", flat=True)) == {*HOME, *AWAY}
