"""An operator's round, in a real browser."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import expect

from accelerators.models import Accelerator
from accelerators.services.power import stop
from accelerators.services.reconcile import reconcile_host
from accelerators.testing.world import PASSWORD, World
from accounts.models import User
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from mcp.testing.drain import drain
from pods.gear.errors import GearUnreachable
from pods.models import Host
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Worker = AbstractContextManager[None]


@pytest.fixture
def operator(slow_world: World) -> str:
    return User.objects.create_user("operator", password=PASSWORD, is_staff=True).username


def test_hosts_from_the_first_page_to_maintenance_and_back(slow_world: World, operator: str, visit: Open) -> None:
    page = visit(operator)
    expect(page.locator("a.tile", has_text="online")).to_contain_text("2")
    page.locator("a.tile", has_text="online").click()
    page.get_by_role("link", name="h1", exact=True).click()
    page.get_by_role("button", name="Probe now").click()
    expect(page.locator(".messagelist")).to_contain_text("The host h1 answered")
    page.locator("#maintenance-reason").fill("new disk")
    page.get_by_role("button", name="Maintenance").click()
    expect(page.locator(".messagelist")).to_contain_text("in maintenance")
    expect(page.locator("#content")).to_contain_text("new disk")
    page.goto("/admin/")
    expect(page.locator("a.tile", has_text="in maintenance")).to_contain_text("1")
    page.goto(f"/admin/pods/host/{Host.objects.get(name='h1').pk}/change/")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".messagelist")).to_contain_text("takes guests again")


def test_an_operation_that_needs_attention_is_found_and_retried(
    slow_world: World, operator: str, visit: Open, worker: Worker, settings: Any
) -> None:
    settings.OPERATIONS = {**settings.OPERATIONS, "patience_s": 0}
    row = slow_world.running("web")
    assert row.host is not None
    slow_world.host(row.host.name).fail_next("stop", GearUnreachable)
    operation = stop(actor=slow_world.actor, accelerator_id=row.pk)[1]
    drain()
    Operation.objects.get(pk=operation.pk, state=OperationState.NEEDS_ATTENTION)
    page = visit(operator)
    page.locator("a.tile", has_text="need attention").click()
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator("#content")).to_contain_text(row.host.name)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".messagelist")).to_contain_text("tried again")
    with worker:
        expect(page.locator("body")).to_be_visible()
        for _ in range(40):
            page.reload()
            if page.locator(".field-shown_state .state", has_text="succeeded").count():
                break
            page.wait_for_timeout(100)
    expect(page.locator(".field-shown_state .state").first).to_have_text("succeeded")


def test_drift_is_shown_side_by_side_and_adopted(slow_world: World, operator: str, visit: Open) -> None:
    row = slow_world.running("web")
    assert row.host is not None
    slow_world.host(row.host.name).stop_guest(str(row.pk))
    reconcile_host(Host.objects.select_related("pod").get(pk=row.host.pk))
    page = visit(operator)
    page.locator("a.tile", has_text="drift open").click()
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator("tr.differs")).to_contain_text("running")
    expect(page.locator("tr.differs")).to_contain_text("stopped")
    page.get_by_role("button", name="Adopt what was found").click()
    expect(page.locator(".messagelist")).to_contain_text("Adopted")
    assert Accelerator.objects.get(pk=row.pk).power_wanted == "stopped"
    page.goto("/admin/")
    expect(page.locator("a.tile", has_text="drift open")).to_contain_text("0")


def test_on_a_phone(slow_world: World, operator: str, visit: Open) -> None:
    page = visit(operator, phone=True)
    for url in ("/admin/", "/admin/pods/host/", "/admin/operations/operation/", "/admin/events/auditentry/"):
        page.goto(url)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{url} scrolls sideways by {wide} px"
