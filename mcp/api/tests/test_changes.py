"""Dry runs, held answers, entity tags."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from mcp.api import hold
from mcp.events.models import AuditEntry, Event
from mcp.operations.models import Operation
from mcp.testing.drain import drain

PATH = "/api/v1/accelerators"
WISH = {"name": "web", "plan": "zone-256m", "image": "debian-12"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was published to the broker."""
    calls: list[Any] = []
    monkeypatch.setattr("mcp.operations.services.wake.publish", lambda routes, **_: calls.extend(routes))
    return calls


def tables() -> list[int]:
    return [model.objects.count() for model in (Operation, Event, AuditEntry)]


def test_dry_run_of_a_create(api: APIClient, pod: Any, sent: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    before = tables()
    with django_capture_on_commit_callbacks(execute=True):
        response = api.post(f"{PATH}?dry_run=true", {**WISH, "count": 2})
    body = response.json()
    assert response.status_code == 200
    assert "Location" not in response
    assert body["dry_run"] is True
    assert body["steps"] == [
        "Copying the image to the host", "Building the file system and the network port", "Booting", "Waiting until it answers",
    ]  # fmt: skip
    assert body["price"] == {"hourly": "0.0546", "monthly": "39.80", "yearly": "398.00", "currency": "USD"}
    limits = {line["resource"]: line["used"] for line in body["limits_after"]}
    assert (limits["accelerators"], limits["memory_mib"]) == (2, 512)
    assert body["placement"]["placed"] == 2
    assert "nearest" not in body["placement"]
    assert [one["name"] for one in body["resource"]["results"]] == ["web-1", "web-2"]
    assert tables() == before
    assert sent == []
    assert api.get(PATH).json()["results"] == []


def test_dry_run_of_what_cannot_be_done_is_refused_alike(api: APIClient, pod: Any) -> None:
    response = api.post(f"{PATH}?dry_run=true", {**WISH, "plan": "zone-64g"})
    assert (response.status_code, response.json()["code"]) == (409, "placement.capacity_exhausted")
    assert api.post(f"{PATH}?dry_run=yes", WISH).status_code == 400
    assert not Operation.objects.exists()


def test_dry_runs_of_every_verb_leave_it_alone(api: APIClient, pod: Any) -> None:
    api.post(PATH, WISH)
    drain()
    as_it_was, before = api.get(f"{PATH}/web").json(), tables()
    for method, path, price in (
        ("post", "/web/stop", "0.00"), ("post", "/web/restart", "0.00"), ("delete", "/web", "0.00"),
        ("delete", "/web?now=true", "-19.90"),
    ):  # fmt: skip
        joint = "&" if "?" in path else "?"
        body = getattr(api, method)(f"{PATH}{path}{joint}dry_run=true").json()
        assert body["dry_run"] is True, body
        assert body["steps"]
        assert body["price"]["monthly"] == price
        assert body["resource"]["operation"]["state"] == "queued"
    freed = api.delete(f"{PATH}/web?now=true&dry_run=true").json()["limits_after"]
    assert {line["resource"]: line["used"] for line in freed}["accelerators"] == 0
    assert api.patch(f"{PATH}/web?dry_run=true", {"name": "shop"}).json()["resource"]["name"] == "shop"
    assert api.get(f"{PATH}/web").json() == as_it_was
    assert tables() == before


def test_dry_runs_of_keys_and_members(api: APIClient) -> None:
    body = api.post("/api/v1/account/api-keys?dry_run=true", {"name": "ci"}).json()
    assert body["resource"]["name"] == "ci"
    assert "key" not in body["resource"]
    assert len(api.get("/api/v1/account/api-keys").json()["results"]) == 1
    own = api.get("/api/v1/account/api-keys").json()["results"][0]
    assert api.delete(f"/api/v1/account/api-keys/{own['id']}?dry_run=true").json()["resource"]["id"] == own["id"]
    assert api.get("/api/v1/account").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_prefer_wait_holds_the_answer_until_it_runs(api: APIClient, pod: Any) -> None:
    def worker() -> None:
        deadline = time.monotonic() + 20
        while not Operation.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        drain()
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    response = api.post(PATH, WISH, HTTP_PREFER="wait=30")
    thread.join(30)
    assert response.status_code == 200
    assert response["Preference-Applied"] == "wait=30"
    assert response.json()["state"] == "running"
    assert response.json()["operation"]["state"] == "succeeded"
    assert response["Location"].startswith("/api/v1/operations/")


def test_prefer_wait_gives_up_in_time(api: APIClient, pod: Any) -> None:
    started = time.monotonic()
    response = api.post(PATH, WISH, HTTP_PREFER="respond-async, wait=1")
    assert 0.9 < time.monotonic() - started < 5
    assert response.status_code == 202
    assert response.json()["operation"]["state"] == "queued"


def test_prefer_wait_does_not_wait_for_what_needs_attention(api: APIClient, pod: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def settle(operations: Any, seconds: float) -> bool:
        rows = Operation.objects.filter(pk__in=operations)
        rows.update(state="running", lease_until=timezone.now())
        rows.update(state="needs_attention")
        return real(operations, seconds)

    real = hold.until_decided
    monkeypatch.setattr("mcp.api.changes.until_decided", settle)
    started = time.monotonic()
    response = api.post(PATH, WISH, HTTP_PREFER="wait=30")
    assert time.monotonic() - started < 5
    assert response.status_code == 202
    assert response.json()["operation"]["state"] == "needs_attention"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("wait=5", 5), ("wait=999", 60), ('foo, wait="7"', 7), ("WAIT = 3; x", 3), ("wait=x", None), ("await=5", None)],
)
def test_prefer_header(rf: Any, header: str, seconds: int | None) -> None:
    assert hold.asked_wait(rf.get("/", HTTP_PREFER=header)) == seconds


def test_no_more_are_held_than_there_are_places(api: APIClient, pod: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "_held", threading.BoundedSemaphore(1))
    with hold.place() as mine:
        assert mine
        started = time.monotonic()
        assert api.post(PATH, WISH, HTTP_PREFER="wait=20").status_code == 202
        assert time.monotonic() - started < 5
        stream = api.get("/api/v1/events", HTTP_ACCEPT="text/event-stream")
        assert (stream.status_code, stream.json()["code"]) == (503, "request.too_many_held")
        assert int(stream["Retry-After"]) > 0
    with hold.place() as mine:
        assert mine


def test_entity_tags(api: APIClient, pod: Any) -> None:
    api.post(PATH, WISH)
    drain()
    first = api.get(f"{PATH}/web")
    tag = first["ETag"]
    assert tag.startswith(f'"{first.json()["revision"]}.')
    same = api.get(f"{PATH}/web", HTTP_IF_NONE_MATCH=tag)
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", tag)
    changed = api.patch(f"{PATH}/web", {"protected": True}, HTTP_IF_MATCH=tag)
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    assert changed["ETag"] == api.get(f"{PATH}/web")["ETag"]
    late = api.patch(f"{PATH}/web", {"protected": False}, HTTP_IF_MATCH=tag)
    assert (late.status_code, late.json()["code"]) == (412, "state.precondition_failed")
    assert api.get(f"{PATH}/web").json()["protected"] is True
    assert api.patch(f"{PATH}/web", {"protected": False}, HTTP_IF_MATCH="*").status_code == 200
    assert api.patch(f"{PATH}/web", {"protected": False}, HTTP_IF_MATCH="nonsense").status_code == 400


def test_the_tag_changes_with_what_machines_do(api: APIClient, pod: Any) -> None:
    api.post(PATH, WISH)
    before = api.get(f"{PATH}/web")["ETag"]
    drain()
    assert api.get(f"{PATH}/web", HTTP_IF_NONE_MATCH=before).status_code == 200


def test_tags_of_what_has_no_revision(api: APIClient) -> None:
    tag = api.get("/api/v1/account")["ETag"]
    assert api.patch("/api/v1/account", {"name": "New"}, HTTP_IF_MATCH=tag).status_code == 200
    assert api.patch("/api/v1/account", {"name": "Newer"}, HTTP_IF_MATCH=tag).status_code == 412
    assert api.get("/api/v1/account", HTTP_IF_NONE_MATCH=f'"x", {tag}').status_code == 200
