"""What a request costs: queries, and time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.growth.asks import Ask

Clients = Mapping[str, Client | APIClient]
FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


def send(clients: Clients, ask: Ask) -> Any:
    """The answer."""
    return clients[ask.who].get(ask.url)


def rows_of(answer: Any) -> int:
    """How many rows an answer shows: results of the API, lines of the tables on a page."""
    body: bytes = getattr(answer, "content", b"")
    if answer["Content-Type"].startswith("application/json"):
        results = answer.json().get("results", []) if body.startswith(b"{") else []
        return len(results)
    return body.count(b"<tr")


def queries(clients: Clients, ask: Ask) -> list[str] | None:
    """What a second, alike request asks of the database; None where there is nothing to GET, or nobody may."""
    first = send(clients, ask)
    if first.status_code == 405 or (first.status_code == 403 and ask.name.endswith("/add/")):
        return None
    with CaptureQueriesContext(connection) as captured:
        answer = send(clients, ask)
    assert answer.status_code in (200, 204), (ask, answer.status_code, getattr(answer, "content", b"")[:500])
    _ = getattr(answer, "content", b"")
    return [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(FRAME)]


def seconds(clients: Clients, ask: Ask) -> float:
    """How long one took."""
    began = time.perf_counter()
    send(clients, ask)
    return time.perf_counter() - began
