"""`/events`: the cursor and the stream."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Account
from accounts.testing import make_account
from mcp.events.models import Event
from mcp.events.services.emit import emit
from mcp.ids import new_id

PATH = "/api/v1/events"


def tell(account: Account, message: str) -> Event:
    return emit("test.told", message, target_type="thing", target_id=new_id(), target_name="x", account_id=account.pk)


def read_on(api: APIClient, after: int, count: int) -> dict[str, Any]:
    """The next events, once whoever else writes to this database cluster has let them through."""
    deadline = time.monotonic() + 10
    while True:
        body: dict[str, Any] = api.get(PATH, {"after": after}).json()
        if len(body["results"]) >= count or time.monotonic() > deadline:
            return body
        time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_cursor(api: APIClient, account: Account) -> None:
    first, _second = tell(account, "one"), tell(account, "two")
    tell(make_account("other"), "not ours")
    body = read_on(api, 0, 2)
    assert [event["message"] for event in body["results"]] == ["one", "two"]
    assert body["results"][0]["target"]["type"] == "thing"
    assert [event["message"] for event in read_on(api, first.pk, 1)["results"]] == ["two"]
    assert api.get(body["next"]).json()["results"] == []
    assert api.get(body["next"]).json()["after"] == body["after"]
    tell(account, "three")
    assert [event["message"] for event in read_on(api, body["after"], 1)["results"]] == ["three"]
    page = api.get(PATH, {"limit": 1}).json()
    assert len(page["results"]) == 1
    assert api.get(page["next"]).json()["results"][0]["message"] == "two"


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "-1"}, {"after": "9" * 30}, {"limit": "0"}])
def test_bad_cursors(api: APIClient, query: dict[str, str]) -> None:
    assert api.get(PATH, query).status_code == 400


def stream(api: APIClient, **headers: Any) -> Any:
    return api.get(PATH, HTTP_ACCEPT="text/event-stream", **headers)


def parsed(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        lines = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if ": " in line and not line.startswith(":"))
        if "data" in lines:
            yield {**json.loads(lines["data"]), "sse_id": lines["id"], "sse_event": lines["event"]}


@pytest.mark.django_db(transaction=True)
def test_stream_sends_what_happens_with_ids(api: APIClient, account: Account, settings: Any) -> None:
    settings.EVENT_STREAM_S = 20
    tell(account, "before")
    read_on(api, 0, 1)
    response = stream(api)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-store"
    chunks = iter(response.streaming_content)
    assert next(chunks).startswith(b"retry: 1000\nid: ")

    def later() -> None:
        tell(account, "during")
        tell(make_account("other"), "not ours")
        tell(account, "line\nbreaks")
        connection.close()

    thread = threading.Thread(target=later)
    thread.start()
    events = parsed(chunks)
    first, second = next(events), next(events)
    thread.join(10)
    response.close()
    assert [first["message"], second["message"]] == ["during", "line\nbreaks"]
    assert first["sse_id"] == str(first["id"])
    assert first["sse_event"] == "test.told"


@pytest.mark.django_db(transaction=True)
def test_stream_goes_on_where_it_was_and_ends_by_itself(api: APIClient, account: Account, settings: Any) -> None:
    settings.EVENT_STREAM_S = 1
    first = tell(account, "one")
    tell(account, "two")
    read_on(api, 0, 2)
    again = list(parsed(stream(api, HTTP_LAST_EVENT_ID=str(first.pk)).streaming_content))
    assert [event["message"] for event in again] == ["two"]


@pytest.mark.django_db(transaction=True)
def test_streams_give_their_place_back(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp.api import hold

    monkeypatch.setattr(hold, "_held", threading.BoundedSemaphore(1))
    for _ in range(3):
        response = stream(api)
        assert response.status_code == 200
        response.close()


def test_errors_before_a_stream_are_problems(api: APIClient, db: None) -> None:
    refused = APIClient().get(PATH, HTTP_ACCEPT="text/event-stream")
    assert refused.status_code == 401
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "access.unauthenticated"
    assert stream(api, HTTP_LAST_EVENT_ID="x").status_code == 400
