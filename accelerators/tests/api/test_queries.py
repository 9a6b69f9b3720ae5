"""What requests cost in queries; a page of fifty costs what a page of five costs."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accelerators.testing.make import ask_for
from accounts.actor import Actor
from pods.models import Pod

PATH = "/api/v1/accelerators"
WISH = {"name": "new", "plan": "zone-256m", "image": "debian-12"}


def cost(call: Any) -> tuple[int, list[str]]:
    """Queries of a second, alike request: the first one may note the key's last use."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert call().status_code < 300
    sql = [query["sql"] for query in captured.captured_queries]
    return len([one for one in sql if not one.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))]), sql


@pytest.fixture
def fifty(api: APIClient, actor: Actor, pod: Pod) -> None:
    ask_for(actor, "web", count=50, tags={"role": "web", "env": "prod"})
    api.get("/api/v1/account")


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        # key; rows with their latest operation's id; tags; addresses; operations
        (PATH, 5),
        (f"{PATH}?tag.role=web", 5),
        ("/api/v1/operations", 2),
        (f"{PATH}/web-1/timeline", 4),
        ("/api/v1/events", 2),
        ("/api/v1/plans", 2),
        ("/api/v1/images", 2),
        ("/api/v1/pods", 3),
        ("/api/v1/account/api-keys", 2),
    ],
)
def test_a_list_costs_the_same_whatever_its_length(api: APIClient, fifty: None, path: str, queries: int) -> None:
    joint = "&" if "?" in path else "?"
    for limit in (5, 50):
        counted, sql = cost(lambda limit=limit: api.get(f"{path}{joint}limit={limit}"))
        assert counted == queries, "\n".join(sql)


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/api/v1/operator/hosts", 2), ("/api/v1/operator/pods", 4), ("/api/v1/operator/operations", 2),
        ("/api/v1/operator/allocations", 2), ("/api/v1/operator/audit", 2), ("/api/v1/operator/capacity", 3),
        ("/api/v1/operator/drift", 2), ("/api/v1/operator/accounts", 2),
        ("/api/v1/operator/refusals", 2),
    ],
)  # fmt: skip
def test_operators_lists(operator_api: APIClient, fifty: None, path: str, queries: int) -> None:
    operator_api.get(path)
    for query in ("?limit=5", "?limit=50") if "capacity" not in path else ("",):
        counted, sql = cost(lambda query=query: operator_api.get(f"{path}{query}"))
        assert counted == queries, "\n".join(sql)


def test_one_accelerator(api: APIClient, fifty: None) -> None:
    counted, sql = cost(lambda: api.get(f"{PATH}/web-7"))
    assert counted == 5, "\n".join(sql)


def test_a_create_costs_the_same_for_one_and_for_twenty(api: APIClient, fifty: None) -> None:
    one, first = cost(lambda: api.post(PATH, WISH))
    cache.clear()
    twenty, second = cost(lambda: api.post(PATH, {**WISH, "name": "many", "count": 20}))
    # An event is written for each accelerator, so that each timeline begins with its request; hosts are claimed one by one.
    hosts = 2
    assert twenty - one <= 19 + (hosts - 1) * 3, "\n".join(second)
    assert one <= 30, "\n".join(first)


def test_an_idempotency_key_adds_little(api: APIClient, fifty: None) -> None:
    plain, _ = cost(lambda: api.post(PATH, WISH))
    with_key, sql = cost(lambda: api.post(PATH, {**WISH, "name": "b"}, HTTP_IDEMPOTENCY_KEY="k"))
    assert with_key - plain == 3, "\n".join(sql)
    replayed, sql = cost(lambda: api.post(PATH, {**WISH, "name": "b"}, HTTP_IDEMPOTENCY_KEY="k"))
    assert replayed == 2, "\n".join(sql)
