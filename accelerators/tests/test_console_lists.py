"""Lists of the console: what is found where, and that nothing reads a whole table."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accelerators.models import Accelerator
from accelerators.testing.make import ask_for
from accounts.actor import Actor
from accounts.models import User
from mcp.events.models import AuditEntry
from mcp.web import console
from mcp.web.console import ConsoleAdmin
from mcp.web.paging import BoundedPaginator
from pods.models import Pod


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def _found(client: Client, path: str, term: str) -> set[str]:
    answer: Any = client.get(path, {"q": term})
    assert answer.status_code == 200
    return {str(row) for row in answer.context["cl"].result_list}


def test_names_are_found_by_their_beginning_anywhere_and_by_parts_among_the_newest(
    staff: Client, actor: Actor, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha-old", "beta", "gamma", "delta"):
        ask_for(actor, name)
    monkeypatch.setattr(console, "SEARCH_DEPTH", 2)
    path = "/admin/accelerators/accelerator/"
    assert _found(staff, path, "alpha") == {"alpha-old"}  # a beginning, anywhere
    assert _found(staff, path, "old") == set()  # a part, and not among the two newest
    assert _found(staff, path, "amm") == {"gamma"}
    assert _found(staff, path, "acme") == {"alpha-old", "beta", "gamma", "delta"}  # the account's slug
    row = Accelerator.objects.get(name="beta")
    assert _found(staff, path, str(row.pk)) == {"beta"}
    assert _found(staff, path, str(row.host_id)) == set(Accelerator.objects.filter(host=row.host).values_list("name", flat=True))


def test_audit_entries_are_found_by_the_id_of_their_target(staff: Client, actor: Actor, pod: Pod) -> None:
    made = ask_for(actor, "web").accelerators[0]
    entry = AuditEntry.objects.get(target_id=str(made.pk))
    assert _found(staff, "/admin/events/auditentry/", str(made.pk)) == {str(entry)}


def test_a_search_is_a_few_queries_of_keys_and_one_of_rows(staff: Client, actor: Actor, pod: Pod) -> None:
    ask_for(actor, "web", count=12)
    staff.get("/admin/accelerators/accelerator/?q=web")
    with CaptureQueriesContext(connection) as captured:
        staff.get("/admin/accelerators/accelerator/?q=web")
    ors = [query["sql"] for query in captured if " OR " in query["sql"] and "ORDER BY" in query["sql"]]
    assert ors == []
    assert len(captured) <= 10


@pytest.mark.parametrize("page", admin.site._registry.values(), ids=str)
def test_no_list_counts_sorts_or_adds_up_a_whole_table(page: Any) -> None:
    assert page.show_full_result_count is False
    assert page.show_facets is admin.ShowFacets.NEVER
    assert issubclass(page.paginator, BoundedPaginator)
    few = {"Plan", "Pod", "Image", "Network"}
    assert page.sortable_by == () or page.model.__name__ in few
    assert isinstance(page, ConsoleAdmin) or page.model is User
