"""No room: told, drawn, and mended with one click by a customer; read by an operator."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accelerators.models import Accelerator, Plan
from accelerators.testing.make import make_plan
from accelerators.testing.masks import Case, build
from accelerators.testing.world import PASSWORD
from accounts.models import User
from pods.models import Host, PlacementWeight, Refusal
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ONE = re.compile(r"/accelerators/[0-9a-f]{8}-[0-9a-f-]+/$")


@pytest.fixture
def full() -> Case:
    """Only `rankine` has room, and not for the plan: 700 MiB."""
    case = build("memory")
    Host.objects.filter(name="rankine").update(cap_memory_mib=700)
    make_plan("small", name="Small", memory_mib=512, disk_gib=4, position=90)
    return case


def no_sideways(page: Page) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} scrolls sideways by {wide} px"


def ask(page: Page, plan: str = "zone-256m") -> None:
    page.goto("/accelerators/new/")
    page.locator(f"input[name=plan][value='{plan}']").check()
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_role("button", name="Create", exact=True).click()


@pytest.mark.parametrize(("phone", "script"), [(False, True), (True, True), (False, False)], ids=["desk", "phone", "no script"])
def test_refused_filled_in_with_a_click_and_made(full: Case, visit: Open, phone: bool, script: bool) -> None:
    page = visit(full.world.user.username, phone=phone, script=script)
    ask(page)
    card = page.get_by_role("region", name="Why there is no room")
    expect(card.locator("li[data-mask=memory]")).to_have_text("3 short of memory")
    picture = card.get_by_role("img", name="Hosts left after each rule")
    expect(picture).to_be_visible()
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] >= 240, "large enough to read on a phone"
    fills = picture.locator("rect").evaluate_all("bars => bars.map(bar => getComputedStyle(bar).fill)")
    assert len(set(fills)) == 3, "track, what is left and what was taken differ"
    no_sideways(page)
    page.get_by_role("button", name=re.compile("Take the plan Small")).click()
    expect(page.locator("input[name=plan][value=small]")).to_be_checked()
    expect(page.get_by_label("Name", exact=True)).to_have_value("web")
    assert not Accelerator.objects.exists()
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url(ONE)
    assert Accelerator.objects.get().plan.slug == "small"


def test_by_keyboard_alone(full: Case, visit: Open) -> None:
    """Enter in a field asks again, and never presses an offer; offers are reached with Tab."""
    page = visit(full.world.user.username)
    ask(page)
    expect(page.locator("[data-focus]")).to_be_focused()
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Why there is no room")).to_be_visible()
    expect(page.locator("input[name=plan][value='zone-256m']")).to_be_checked()
    assert Refusal.objects.count() == 2
    for _ in range(40):
        page.keyboard.press("Tab")
        if "Take the plan" in str(page.evaluate("document.activeElement.innerText")):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.locator("input[name=plan][value=small]")).to_be_checked()
    summary = page.locator("#placement > summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.locator("#id_group").fill("herd")
    page.keyboard.press("Tab")
    expect(page.locator("#id_location")).to_be_focused()


def test_what_is_said_about_placement_is_rehearsed_at_once(full: Case, visit: Open) -> None:
    Plan.objects.filter(slug="zone-256m").update(memory_mib=100, disk_gib=1)
    Host.objects.update(cap_memory_mib=700)
    page = visit(full.world.user.username, phone=True)
    page.goto("/accelerators/new/")
    page.locator("input[name=plan][value='zone-256m']").check()
    page.get_by_label("How many").fill("5")
    page.get_by_text("Placement: group, spread, nearness").click()
    page.get_by_label("Members of the group").select_option("host")
    expect(page.locator("#quote .verdict.bad")).to_contain_text("room for 3 of 5")
    no_sideways(page)
    page.get_by_label("make as many as fit").check()
    expect(page.locator("#quote .verdict.bad")).to_have_count(0)


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_an_operator_reads_why(full: Case, visit: Open, phone: bool) -> None:
    customer = visit(full.world.user.username)
    ask(customer)
    expect(customer.get_by_role("region", name="Why there is no room")).to_be_visible()
    made = full.world.create("there", plan="small").operations[0]
    operator = User.objects.create_user("operator", password=PASSWORD, is_staff=True).username
    page = visit(operator, phone=phone)
    tile = page.locator("a.tile", has_text="refused in 24 h")
    expect(tile).to_contain_text("1")
    tile.click()
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator("tr[data-mask=memory] td.number").first).to_have_text("3")
    picture = page.get_by_role("img", name="Hosts left after each rule")
    expect(picture).to_be_visible()
    expect(page.locator(".misses")).to_contain_text("lacks")
    no_sideways(page)
    page.goto(f"/admin/operations/operation/{made.pk}/change/")
    scores = page.get_by_role("img", name="Scores of the best hosts, term by term")
    expect(scores).to_be_visible()
    widths = scores.locator("rect.term").evaluate_all("parts => parts.map(part => part.getBoundingClientRect().width)")
    assert sum(widths) > 50
    colours = scores.locator("rect.term").evaluate_all("parts => parts.map(part => getComputedStyle(part).fill)")
    assert len(set(colours)) == len(colours), "each term has a colour of its own"
    no_sideways(page)


def test_an_operator_sets_weights(full: Case, visit: Open) -> None:
    page = visit(User.objects.create_user("operator", password=PASSWORD, is_staff=True).username, phone=True)
    page.goto("/admin/pods/placementweight/")
    no_sideways(page)
    page.get_by_label("pack").fill("two")
    page.get_by_role("button", name="Set the weights").click()
    expect(page.locator("#fault-pack")).to_contain_text("is no number")
    page.get_by_label("pack").fill("2")
    page.get_by_role("button", name="Set the weights").click()
    expect(page.locator(".messagelist")).to_contain_text("The weights are set")
    assert PlacementWeight.objects.get().weight == 2
