"""The console as a whole: every page opens for staff and nobody else, costs a fixed number of queries, and edits no state."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accelerators.models import Accelerator, Plan
from accelerators.services.power import stop
from accelerators.services.reconcile import reconcile_host
from accelerators.testing.world import World
from accounts.models import Account, AccountLimit, Membership, User
from mcp.events.models import AuditEntry
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from mcp.testing.drain import drain
from mcp.testing.web import text_of
from pods.gear.errors import GearUnreachable
from pods.models import DriftFinding, Host, Image, Pod

OWN = ("accounts", "pods", "accelerators", "operations", "events")
MODELS = [model for model in admin.site._registry if model._meta.app_label in OWN]
NAMES = [f"{model._meta.app_label}/{model._meta.model_name}" for model in MODELS]


@pytest.fixture
def console(db: None, client: Client) -> Client:
    """An operator, not a superuser."""
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def do(client: Client, row: Any, verb: str, **data: str) -> str:
    """Press a button on a row's page; answers what is said then."""
    base = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}"
    return text_of(client.post(f"{base}/do/{verb}/", data, follow=True))


def test_every_list_opens_and_costs_the_same_for_one_and_for_many(world: World, console: Client) -> None:
    world.running("web")
    few = {name: queries_of(console, f"/admin/{name}/") for name in NAMES}
    world.create("more", count=12)
    drain()
    many = {name: queries_of(console, f"/admin/{name}/") for name in NAMES}
    assert many == few
    assert max(many.values()) <= 8, many


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200, url
    return len(queries)


def test_every_search_stands_any_text(world: World, console: Client) -> None:
    world.create("web")
    for name in NAMES:
        for query in ("web", "%", "'", "01a2071d-635b-78ce-b24a-fb6ed0ae202b", "x" * 5000):
            assert console.get(f"/admin/{name}/", {"q": query}).status_code == 200, (name, query)


def test_every_row_opens_and_no_state_can_be_typed(world: World, console: Client) -> None:
    world.running("web")
    reconcile_all(world)
    for model in MODELS:
        row = model._default_manager.first()
        if row is None:
            continue
        page = console.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/")
        assert page.status_code == 200, model
        body = page.content.decode()
        for field in ("state", "duty", "reachable", "power_wanted", "power_observed", "used_memory_mib", "cap_memory_mib"):
            assert f'name="{field}"' not in body, (model, field)


def test_customers_see_nothing_of_it(world: World, client: Client) -> None:
    client.force_login(world.user)
    for name in NAMES:
        for url in (f"/admin/{name}/", f"/admin/{name}/add/", "/admin/"):
            assert client.get(url).status_code == 302, url


def reconcile_all(world: World) -> None:
    for host in Host.objects.select_related("pod"):
        reconcile_host(host)


def test_the_first_page_counts_what_needs_looking_at(world: World, console: Client) -> None:
    world.create("queued")
    Host.objects.filter(name="h2").update(reachable=False)
    with CaptureQueriesContext(connection) as queries:
        page = console.get("/admin/")
    words = text_of(page)
    for piece in (
        "1 queued",
        "0 need attention",
        "1 online",
        "1 unreachable",
        "0 drift open",
        "0 refused in 24 h",
        "0.3 of 127 GiB",
    ):
        assert piece in words, piece
    assert len(queries) == 8, [query["sql"] for query in queries]


def test_plans_are_priced_here_and_audited(world: World, console: Client) -> None:
    plan = Plan.objects.get(slug="zone-256m")
    form = {
        "name": plan.name,
        "price_hourly": "0.03",
        "price_monthly": "21.00",
        "price_yearly": "210",
        "active": "on",
        "position": "0",
    }
    assert console.post(f"/admin/accelerators/plan/{plan.pk}/change/", form | {"memory_mib": "9999"}).status_code == 302
    plan.refresh_from_db()
    assert plan.price_monthly == Decimal("21.00")
    assert plan.memory_mib == 256, "sizes that were sold never change"
    assert AuditEntry.objects.filter(action="console.plan.change", actor="operator", target_id=str(plan.pk)).exists()


def test_hosts_are_probed_and_change_duty_through_the_services(world: World, console: Client) -> None:
    host = Host.objects.get(name="h1")
    assert "16 processors" in do(console, host, "probe")
    assert "is in maintenance" in do(console, host, "maintenance", reason="new disk")
    host.refresh_from_db()
    assert (host.duty, host.duty_reason) == ("maintenance", "new disk")
    assert "is retired" in do(console, host, "retire")
    assert "cannot go to active" in do(console, host, "resume"), "a retired host stays so, and it is said why"
    assert AuditEntry.objects.filter(action="host.duty", actor="operator").count() == 2


def test_a_host_that_does_not_answer_is_a_sentence(world: World, console: Client) -> None:
    world.host("h1").go_down()
    assert "h1" in do(console, Host.objects.get(name="h1"), "probe")


def test_a_verb_in_the_list_takes_several(world: World, console: Client) -> None:
    hosts = list(Host.objects.values_list("pk", flat=True))
    console.post("/admin/pods/host/", {"action": "drain", "_selected_action": hosts})
    assert set(Host.objects.values_list("duty", flat=True)) == {"draining"}


def test_verbs_want_a_post_and_a_name_that_exists(world: World, console: Client) -> None:
    host = Host.objects.get(name="h1")
    assert console.get(f"/admin/pods/host/{host.pk}/do/drain/").status_code == 404
    assert console.post(f"/admin/pods/host/{host.pk}/do/explode/").status_code == 404


def test_an_operation_that_needs_attention_is_explained_and_retried(world: World, console: Client, settings: Any) -> None:
    settings.OPERATIONS = {**settings.OPERATIONS, "patience_s": 0}
    row = world.running("web")
    world.host_of(row).fail_next("stop", GearUnreachable)
    operation = stop(actor=world.actor, accelerator_id=row.pk)[1]
    drain()
    words = text_of(console.get(f"/admin/operations/operation/{operation.pk}/change/"))
    assert row.host is not None
    assert row.host.name in words
    assert "gear.unreachable" in words
    assert "tried again" in do(console, operation, "retry")
    drain()
    operation.refresh_from_db()
    assert operation.state == OperationState.SUCCEEDED
    assert "cannot be retried" in do(console, operation, "retry")
    assert AuditEntry.objects.filter(action="operation.retry", actor="operator").count() == 1, "a refusal is no deed"


def test_a_placement_is_explained_with_hosts(world: World, console: Client) -> None:
    operation = world.create("web").operations[0]
    words = text_of(console.get(f"/admin/operations/operation/{operation.pk}/change/"))
    assert "2 hosts looked at; 1 of 1 placed" in words
    assert "balance" in words


def test_operations_are_found_by_id_target_account_and_name(world: World, console: Client) -> None:
    operation = world.create("web").operations[0]
    world.create("other")
    for query in (operation.pk, operation.target_id, "web"):
        found = console.get("/admin/operations/operation/", {"q": str(query)}).context["cl"].result_list
        assert [row.pk for row in found] == [operation.pk], query
    assert console.get("/admin/operations/operation/", {"q": str(world.account.pk)}).context["cl"].result_count == 2
    assert console.get("/admin/operations/operation/", {"kind": "accelerator.stop"}).context["cl"].result_count == 0


def test_drift_is_decided_here(world: World, console: Client) -> None:
    row = world.running("web")
    world.host_of(row).stop_guest(str(row.pk))
    world.host("h1").create_foreign("mystery")
    reconcile_all(world)
    power = DriftFinding.objects.get(kind="power")
    foreign = DriftFinding.objects.get(kind="unknown_guest")
    assert "Adopted" in do(console, power, "adopt")
    assert Accelerator.objects.get(pk=row.pk).power_wanted == "stopped"
    assert "never deletes a guest" in do(console, foreign, "restore")
    assert "Ignored" in do(console, foreign, "ignore")
    foreign.refresh_from_db()
    assert (foreign.state, foreign.decided_by) == ("ignored", "operator")


def test_drift_restored_names_its_operation(world: World, console: Client) -> None:
    row = world.running("web")
    world.host_of(row).stop_guest(str(row.pk))
    reconcile_all(world)
    finding = DriftFinding.objects.get()
    assert "Being restored" in do(console, finding, "restore")
    assert Operation.objects.filter(pk=str(DriftFinding.objects.get().operation_id), kind="accelerator.start").exists()


def test_accounts_are_opened_suspended_and_limited(world: World, console: Client) -> None:
    assert console.post("/admin/accounts/account/add/", {"slug": "globex", "name": "Globex"}).status_code == 302
    account = Account.objects.get(slug="globex")
    assert "is suspended" in do(console, account, "suspend", reason="unpaid")
    assert "works again" in do(console, account, "resume")
    form = {
        "name": "Globex", "time_zone": "UTC", "currency": "USD", "limit_rows-TOTAL_FORMS": "1", "limit_rows-INITIAL_FORMS": "0",
        "limit_rows-0-resource": "accelerators", "limit_rows-0-limit": "3", "limit_rows-0-account": str(account.pk),
    }  # fmt: skip
    assert console.post(f"/admin/accounts/account/{account.pk}/change/", form).status_code == 302
    assert AccountLimit.objects.get(account=account).limit == 3
    assert set(AuditEntry.objects.filter(target_name="globex").values_list("action", flat=True)) >= {
        "account.open", "account.suspended", "account.active", "console.account.change",
    }  # fmt: skip


def test_the_last_owner_cannot_be_removed_here_either(world: World, console: Client) -> None:
    row = Membership.objects.get(account=world.account)
    assert "keeps at least one owner" in do(console, row, "remove")
    console.post(f"/admin/accounts/membership/{row.pk}/change/", {"role": "viewer"})
    row.refresh_from_db()
    assert row.role == "owner"


def test_members_are_added_by_the_service(world: World, console: Client) -> None:
    person = User.objects.create_user("newcomer")
    form = {"account": str(world.account.pk), "user": str(person.pk), "role": "viewer"}
    assert console.post("/admin/accounts/membership/add/", form).status_code == 302
    assert Membership.objects.get(user=person).role == "viewer"
    assert AuditEntry.objects.filter(action="member.add", actor="operator").exists()


def test_images_and_pods_are_offered_or_not(world: World, console: Client) -> None:
    assert "no longer offered" in do(console, world.image, "disable")
    assert Image.objects.get(pk=world.image.pk).state == "disabled"
    assert "takes no new guests" in do(console, world.pod, "drain")
    assert Pod.objects.get(pk=world.pod.pk).state == "draining"


def test_an_operator_makes_no_operators(console: Client) -> None:
    boss = User.objects.create_superuser("boss", password="a long pass phrase")
    assert console.get(f"/admin/accounts/user/{boss.pk}/password/").status_code == 403
    person = User.objects.create_user("person")
    body = console.get(f"/admin/accounts/user/{person.pk}/change/").content.decode()
    assert 'name="is_active"' in body
    assert 'name="is_staff"' not in body
    assert 'name="is_superuser"' not in body


def test_secrets_are_not_shown(world: World, console: Client) -> None:
    Pod.objects.update(sealed_ssh_key="sealed-secret")
    assert "sealed-secret" not in console.get(f"/admin/pods/pod/{world.pod.pk}/change/").content.decode()
    row = world.create("web", user_script="#!/bin/sh\nsecret").accelerators[0]
    page = console.get(f"/admin/accelerators/accelerator/{row.pk}/change/").content.decode()
    row.refresh_from_db()
    assert row.sealed_user_script not in page
