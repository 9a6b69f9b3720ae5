"""The what-if page in a real browser, at a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accelerators.testing.world import PASSWORD, World
from accounts.models import User
from pods.services.sample_capacity import sample_capacity
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def operator(slow_world: World) -> str:
    slow_world.create("web", count=5)
    slow_world.create("db", count=2, spread="host")
    sample_capacity()
    return User.objects.create_user("operator", password=PASSWORD, is_staff=True).username


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_ask_and_read_the_answer(operator: str, visit: Open, phone: bool) -> None:
    page = visit(operator, phone=phone, script=not phone)
    page.goto("/admin/")
    page.get_by_role("link", name="What if").click()
    page.get_by_label("Lose hosts").fill("h1")
    page.get_by_label("More of plan").select_option("zone-256m")
    page.get_by_label("How many").fill("3")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".verdict")).to_contain_text("does not fit")
    expect(page.locator("#content")).to_contain_text("3 of 3 more zone-256m")
    expect(page.locator("svg.stack")).to_have_count(3)
    assert "lose_host=h1" in page.url, "the address keeps the question"
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") if not phone else 0
    assert wide <= 0


def test_on_a_phone_nothing_is_wider_than_the_screen(operator: str, visit: Open) -> None:
    page = visit(operator, phone=True)
    page.goto("/admin/whatif/?lose_host=h1&plan=zone-256m&count=500")
    expect(page.locator(".verdict")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_a_fault_is_said_beside_its_field_and_what_was_typed_stays(operator: str, visit: Open) -> None:
    page = visit(operator)
    page.goto("/admin/whatif/")
    page.get_by_label("Drain hosts").fill("nobody")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".field.wrong")).to_contain_text("There is no host 'nobody'")
    expect(page.get_by_label("Drain hosts")).to_have_value("nobody")
