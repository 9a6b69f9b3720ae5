"""Every error is a problem document with a stable code, and tells a caller nothing that a trace would."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client
from rest_framework.test import APIClient

from mcp.api.codes import all_codes
from mcp.api.problems import document, translate
from mcp.errors import ControlPlaneError

PATH = "/api/v1/accelerators"
MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response["X-Request-Id"]
    assert body["type"].endswith(f"/api/v1/errors#{code}")
    assert body["detail"]
    return body


def raw(api: APIClient, body: bytes, content_type: str = "application/json") -> Any:
    return api.generic("POST", PATH, body, content_type=content_type)  # type: ignore[arg-type]  # bytes are fine, the stubs say str


def test_what_the_framework_refuses(api: APIClient) -> None:
    problem(raw(api, b"{"), 400, "request.malformed")
    problem(raw(api, b"[1]"), 400, "request.malformed")
    problem(raw(api, b'"x"'), 400, "request.malformed")
    problem(raw(api, b'{"name": NaN}'), 400, "request.malformed")
    problem(raw(api, b"\xff\xfe"), 400, "request.malformed")
    problem(raw(api, b"name=web", "application/x-www-form-urlencoded"), 415, "request.unsupported_media_type")
    refused = api.put(PATH, {})
    problem(refused, 405, "request.method_not_allowed")
    assert "GET" in refused["Allow"]
    problem(api.get(PATH, HTTP_ACCEPT="text/html"), 406, "request.not_acceptable")
    problem(APIClient().get(PATH), 401, "access.unauthenticated")


@pytest.mark.parametrize(
    "path", ["/api/v1/nope", "/api/v1/", "/api/v1/accelerators/", "/api/v1/accelerators/a/b/c", "/api/v2/x", "/api/"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete", "options"])
def test_unknown_paths(client: Client, db: None, path: str, method: str) -> None:
    problem(getattr(client, method)(path), 404, "request.unknown_path")


def test_bodies_are_bounded(api: APIClient) -> None:
    problem(raw(api, b'{"name": "' + b"x" * 1_048_576 + b'"}'), 413, "request.too_large")
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    problem(raw(api, deep), 400, "request.malformed")
    problem(raw(api, b'{"count": ' + b"9" * 6000 + b"}"), 400, "request.malformed")


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "\\udfff x"])
@pytest.mark.parametrize("shape", ['{"name": "%s"}', '{"%s": 1}', '{"tags": {"a": ["%s"]}}'])
def test_what_no_database_stores_is_refused_wherever_it_stands(api: APIClient, text: str, shape: str) -> None:
    problem(raw(api, (shape % text).encode()), 400, "request.malformed")


def test_a_defect_tells_nothing_but_is_logged_with_its_trace(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("accounts.api.account.present_account", broken)
    with caplog.at_level(logging.ERROR):
        response = api.get("/api/v1/account")
    body = problem(response, 500, "internal.error")
    assert "hunter2" not in json.dumps(body)
    assert "hunter2" in caplog.text or any("hunter2" in str(record.msg) for record in caplog.records)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("database is locked"), 503, "database.busy"),
        (IntegrityError("x"), 409, "state.raced"),
        (DataError("x"), 400, "request.malformed"),
        (KeyError("x"), 500, "internal.error"),
    ],
)
def test_the_databases_errors(api: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str) -> None:
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("accounts.api.account.present_account", broken)
    response = api.get("/api/v1/account")
    problem(response, status, code)
    assert ("Retry-After" in response) == (status == 503)


def test_an_operators_view_never_leaves() -> None:
    error = ControlPlaneError("x", context={"operator": {"nearest": ["h1"]}, "placement": {"placed": 0}, "host": "h1"})
    body = document(translate(error))
    assert body["placement"] == {"placed": 0}
    assert "h1" not in json.dumps(body)


def test_codes_are_listed_where_type_points(client: Client, db: None) -> None:
    listed = {row["code"]: row for row in client.get("/api/v1/errors").json()["results"]}
    assert set(listed) == {row["code"] for row in all_codes()}
    assert listed["placement.capacity_exhausted"]["status"] == 409
    assert all(row["title"] and row["description"] for row in listed.values())


def test_the_page_of_codes_is_up_to_date(settings: Any) -> None:
    page = io.StringIO()
    call_command("error_codes", stdout=page)
    written = (settings.BASE_DIR / "docs" / "errors.md").read_text()
    assert page.getvalue() == written, "write it anew: ./manage.py error_codes --file docs/errors.md"


def test_request_ids_of_callers_are_kept(api: APIClient) -> None:
    response = api.get("/api/v1/nope", HTTP_X_REQUEST_ID="my-request-1")
    assert response.json()["request_id"] == response["X-Request-Id"] == "my-request-1"
    assert api.get("/api/v1/nope", HTTP_X_REQUEST_ID="a\nb: c")["X-Request-Id"] != "a\nb: c"


def test_answers_are_not_for_shared_caches(api: APIClient) -> None:
    assert api.get("/api/v1/account")["Cache-Control"] == "private, no-cache"
