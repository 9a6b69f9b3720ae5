"""Pages of operations."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accelerators.services.power import stop
from accelerators.testing.world import World, make_world
from accounts.models import User
from mcp.events.models import AuditEntry
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from mcp.testing.drain import drain
from mcp.testing.web import HTMX, text_of
from pods.gear.errors import GearUnreachable


@pytest.fixture
def stuck(world: World, settings: Any) -> Operation:
    """An operation that waits for an operator, its error naming a host."""
    settings.OPERATIONS = {**settings.OPERATIONS, "patience_s": 0}
    row = world.running("web")
    world.host_of(row).fail_next("stop", GearUnreachable, times=5)
    operation = stop(actor=world.actor, accelerator_id=row.pk)[1]
    drain()
    operation.refresh_from_db()
    assert operation.state == OperationState.NEEDS_ATTENTION
    return operation


def test_steps_times_and_placement_in_counts(world: World, owner: Client) -> None:
    operation = world.create("web").operations[0]
    page = owner.get(f"/operations/{operation.pk}/")
    assert 'hx-trigger="every 500ms"' in page.content.decode()
    drain()
    words = text_of(owner.get(f"/operations/{operation.pk}/"))
    for piece in ("Creating the accelerator", "succeeded", "Booting (done)", "2 hosts looked at"):
        assert piece in words, piece
    assert "every 500ms" not in owner.get(f"/operations/{operation.pk}/").content.decode()


def test_polling_swaps_nothing_when_nothing_changed(world: World, owner: Client) -> None:
    operation = world.create("web").operations[0]
    seen = owner.get(f"/operations/{operation.pk}/").context["seen"]
    assert owner.get(f"/operations/{operation.pk}/?seen={seen}", headers=HTMX).status_code == 204
    drain()
    assert owner.get(f"/operations/{operation.pk}/?seen={seen}", headers=HTMX).status_code == 200


def test_customers_read_no_host_and_staff_reads_all(world: World, owner: Client, stuck: Operation) -> None:
    host = stuck.operator_detail
    assert "h1" in host or "h2" in host
    for page in (owner.get(f"/operations/{stuck.pk}/"), owner.get(f"/accelerators/{stuck.target_id}/")):
        words = text_of(page)
        assert "An operator has been asked" in words
        assert "h1" not in words
        assert "h2" not in words
    User.objects.filter(pk=world.user.pk).update(is_staff=True)
    assert stuck.operator_detail in text_of(owner.get(f"/operations/{stuck.pk}/"))


def test_retry_and_cancel_where_they_fit(world: World, owner: Client, stuck: Operation) -> None:
    body = owner.get(f"/operations/{stuck.pk}/").content.decode()
    assert 'id="do-retry"' in body
    assert 'id="do-cancel"' in body
    assert owner.post(f"/operations/{stuck.pk}/retry/").status_code == 302
    stuck.refresh_from_db()
    assert stuck.state == OperationState.QUEUED
    assert owner.post(f"/operations/{stuck.pk}/cancel/").status_code == 302
    drain()
    stuck.refresh_from_db()
    assert stuck.state == OperationState.CANCELLED
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"operation.retry", "operation.cancel"}
    assert owner.post(f"/operations/{stuck.pk}/cancel/").status_code == 409


def test_the_list_filters_by_state(world: World, owner: Client) -> None:
    world.running("web")
    assert len(owner.get("/operations/").context["page"].rows) == 1
    assert "None in that state" in text_of(owner.get("/operations/?state=failed"))


def test_a_viewer_reads_and_touches_nothing(world: World, viewer: Client, stuck: Operation) -> None:
    assert b"do-retry" not in viewer.get(f"/operations/{stuck.pk}/").content
    assert viewer.post(f"/operations/{stuck.pk}/retry/").status_code == 403
    assert viewer.post(f"/operations/{stuck.pk}/cancel/").status_code == 403


def test_another_accounts_is_not_there(owner: Client) -> None:
    theirs = make_world(cidr="10.98.0.0/24").create("theirs").operations[0]
    assert owner.get(f"/operations/{theirs.pk}/").status_code == 404
    assert owner.post(f"/operations/{theirs.pk}/cancel/").status_code == 404
    assert "theirs" not in text_of(owner.get("/operations/"))
