"""Budgets of requests."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from mcp.api import throttle


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """A clock that stands still, 15 s into a window."""
    monkeypatch.setattr(throttle, "clock", lambda: 1_800_000_015.0)
    settings.THROTTLE_PER_MINUTE = {"read": 3, "write": 2}


def test_budgets_are_told_and_end(api: APIClient) -> None:
    answers = [api.get("/api/v1/account") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"3"}
    assert {answer["RateLimit-Reset"] for answer in answers} == {"45"}
    last = answers[-1]
    assert last["Retry-After"] == "45"
    assert last["Content-Type"] == "application/problem+json"
    assert last.json()["code"] == "request.throttled"


def test_reading_and_writing_are_apart(api: APIClient) -> None:
    for _ in range(4):
        api.get("/api/v1/account")
    assert api.patch("/api/v1/account", {"name": "A"}).status_code == 200
    assert api.patch("/api/v1/account", {"name": "B"})["RateLimit-Remaining"] == "0"
    assert api.patch("/api/v1/account", {"name": "C"}).status_code == 429


def test_accounts_share_a_budget_between_keys_and_not_with_others(api: APIClient, operator_api: APIClient) -> None:
    other = api.post("/api/v1/account/api-keys", {"name": "second"}).json()["key"]
    second = APIClient()
    second.credentials(HTTP_AUTHORIZATION=f"Bearer {other}")
    for _ in range(3):
        api.get("/api/v1/account")
    assert second.get("/api/v1/account").status_code == 429
    assert operator_api.get("/api/v1/operator/pods").status_code == 200


def test_the_next_window_is_fresh(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        api.get("/api/v1/account")
    monkeypatch.setattr(throttle, "clock", lambda: 1_800_000_061.0)
    assert api.get("/api/v1/account").status_code == 200


def test_refusals_spend_too(api: APIClient) -> None:
    for _ in range(2):
        assert api.post("/api/v1/accelerators", {}).status_code == 400
    refused = api.post("/api/v1/accelerators", {})
    assert refused.status_code == 429
    assert "RateLimit-Limit" in refused
