"""A customer's first hour, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Page, expect

from accelerators.models import Accelerator
from accelerators.states import State
from accelerators.testing.world import World
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Worker = AbstractContextManager[None]
ONE = re.compile(r"/accelerators/[0-9a-f]{8}-[0-9a-f-]+/$")


def state(page: Page) -> str:
    return page.locator("#panel .heading .state").first.inner_text()


def become(page: Page, wanted: str) -> None:
    expect(page.locator("#panel .heading .state").first).to_have_text(wanted, timeout=20_000)


def no_sideways(page: Page) -> None:
    """Nothing is wider than the screen."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} scrolls sideways by {wide} px"


def hold(world: World, verb: str) -> Callable[[], None]:
    """The next such verb on any host waits until the function answered is called: what is shown meanwhile can be looked at."""
    tickets = [(hand, hand.hang_next(verb)) for hand in world.simulated.hosts()]

    def release() -> None:
        for hand, ticket in tickets:
            hand.release(ticket)

    return release


def test_create_watch_stop_start_delete_restore(slow_world: World, visit: Open, worker: Worker) -> None:
    page = visit(slow_world.user.username)
    expect(page.get_by_role("heading", name="No accelerator yet")).to_be_visible()
    page.get_by_role("link", name="Create the first one").click()
    expect(page.locator("#quote")).to_contain_text("$19.90")
    page.get_by_label("How many").fill("3")
    expect(page.locator("#quote")).to_contain_text("$59.70")
    page.get_by_label("How many").fill("1")
    expect(page.locator("#quote")).to_contain_text("$19.90")
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url(ONE)
    become(page, "provisioning")
    built, booted, stopped = (hold(slow_world, verb) for verb in ("create", "start", "stop"))
    with worker:
        expect(page.locator(".operation-steps .acting .what")).to_have_text("Building the file system and the network port")
        expect(page.locator("#live-status")).to_have_text("Step 2 of 4: Building the file system and the network port.")
        built()
        expect(page.locator(".operation-steps .acting .what")).to_have_text("Booting")
        booted()
        become(page, "running")
        expect(page.locator(".timeline")).to_contain_text("Created and running.")
        expect(page.get_by_text("ssh root@10.99.0.2")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        become(page, "stopping")
        stopped()
        become(page, "stopped")
        page.get_by_role("button", name="Start").click()
        become(page, "running")
        page.get_by_role("link", name="Delete").click()
        expect(page.get_by_text("in the trash for 7 days")).to_be_visible()
        page.get_by_role("button", name="Delete").click()
        become(page, "trashed")
        page.get_by_role("button", name="Restore").click()
        become(page, "running")
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url))
    page.wait_for_timeout(1200)
    assert polls == [], "nothing is polled once it has settled"


def test_the_list_follows_by_itself(slow_world: World, visit: Open, worker: Worker) -> None:
    slow_world.create("web", count=2)
    page = visit(slow_world.user.username)
    expect(page.locator("tbody .state.busy")).to_have_count(2)
    with worker:
        expect(page.locator("tbody .state.good")).to_have_count(2, timeout=20_000)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_double_click_makes_one(slow_world: World, visit: Open, script: bool) -> None:
    page = visit(slow_world.user.username, script=script)
    page.goto("/accelerators/new/")
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_role("button", name="Create", exact=True).dblclick()
    page.wait_for_url(ONE)
    page.reload()
    assert Accelerator.objects.count() == 1


def test_by_keyboard_alone(slow_world: World, visit: Open, worker: Worker) -> None:
    page = visit(slow_world.user.username)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    assert page.locator(".skip").evaluate("e => e.getBoundingClientRect().top") >= 0, "the skip link shows when focused"
    page.keyboard.press("Enter")
    press_until(page, "Create the first one")
    page.keyboard.press("Enter")
    page.wait_for_url("**/accelerators/new/")
    press_until(page, "zone-256m")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    press_until(page, "id_name")
    page.keyboard.type("keys")
    press_until(page, "create")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "focus can be seen"
    page.keyboard.press("Enter")
    page.wait_for_url(ONE)
    with worker:
        become(page, "running")
        press_until(page, "do-stop")
        page.keyboard.press("Enter")
        become(page, "stopped")
    assert Accelerator.objects.get().state == State.STOPPED


def press_until(page: Page, wanted: str, most: int = 60) -> None:
    """Tab on until the focus is on an element of that text, id or value."""
    for _ in range(most):
        page.keyboard.press("Tab")
        here = page.evaluate("[document.activeElement.innerText, document.activeElement.id, document.activeElement.value]")
        if wanted in [str(word).strip() for word in here]:
            return
    raise AssertionError(f"the keyboard never reached {wanted!r}")


def test_on_a_phone_nothing_scrolls_sideways(slow_world: World, visit: Open, worker: Worker) -> None:
    slow_world.create("a-rather-long-name-that-goes-on-for-quite-a-while-to-the-end", tags={"k" * 64: "v" * 128})
    with worker:
        page = visit(slow_world.user.username, phone=True)
        expect(page.locator("tbody .state.good")).to_have_count(1, timeout=20_000)
    no_sideways(page)
    page.locator("tbody a.strong").click()
    page.wait_for_url(ONE)
    paths = ["", "edit/", "delete/", "timeline/"]
    here = page.url
    others = ["/accelerators/new/", "/operations/", "/trash/", "/account/ssh-keys/", "/account/api-keys/", "/account/members/",
              "/account/limits/", "/nothing/"]  # fmt: skip
    for url in [here + path for path in paths] + others:
        page.goto(url)
        no_sideways(page)


def test_without_javascript_the_core_works(slow_world: World, visit: Open, worker: Worker) -> None:
    page = visit(slow_world.user.username, script=False)
    page.goto("/accelerators/new/")
    page.locator("#id_name").fill("plain")
    page.locator("#id_count").fill("2")
    page.get_by_role("button", name="Update the price").click()
    expect(page.locator("#quote")).to_contain_text("$39.80")
    page.locator("#id_count").fill("1")
    page.locator("#create").click()
    page.wait_for_url(ONE)
    with worker:
        become(page, "running")  # the page reloads itself while something is under way
        page.locator("#do-stop").click()
        become(page, "stopped")


def test_errors_stand_beside_their_fields_and_take_the_focus(slow_world: World, visit: Open) -> None:
    page = visit(slow_world.user.username)
    page.goto("/accelerators/new/")
    page.get_by_label("Name", exact=True).fill("Not Good")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator("#id_name_error")).to_contain_text("beginning with a letter")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Not Good")
    expect(page.locator("[data-focus]")).to_be_focused()


def test_what_changed_meanwhile_is_told_without_leaving_the_page(slow_world: World, visit: Open) -> None:
    from accelerators.services.power import stop
    from mcp.testing.drain import drain

    row = slow_world.running("web")
    page = visit(slow_world.user.username)
    page.goto(f"/accelerators/{row.pk}/")
    stop(actor=slow_world.actor, accelerator_id=row.pk)
    drain()
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("#notices")).to_contain_text("cannot be restarted now")


def test_copying_the_address(slow_world: World, visit: Open) -> None:
    row = slow_world.running("web")
    page = visit(slow_world.user.username)
    page.goto(f"/accelerators/{row.pk}/")
    button = page.get_by_role("button", name="Copy ssh root@10.99.0.2")
    button.click()
    expect(button).to_have_text("Copied")
