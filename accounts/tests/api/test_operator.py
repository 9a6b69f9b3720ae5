"""`/operator/accounts` and `/operator/audit`."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Account, AccountLimit, Membership, User
from mcp.events.models import AuditEntry

PATH = "/api/v1/operator/accounts"
AUDIT = "/api/v1/operator/audit"


def test_open_an_account_with_its_first_owner(operator_api: APIClient) -> None:
    wish = {"slug": "new", "name": "New", "owner": "ada", "email": "ada@example.com", "password": "correct horse battery"}
    response = operator_api.post(PATH, wish)
    assert response.status_code == 201, response.content
    assert response.json()["limits"]
    person = User.objects.get(username="ada")
    assert person.check_password("correct horse battery")
    assert not person.is_staff
    assert Membership.objects.get(account__slug="new").role == "owner"
    assert operator_api.get(response["Location"]).json()["slug"] == "new" == operator_api.get(f"{PATH}/new").json()["slug"]
    assert "correct horse" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))


def test_a_known_person_keeps_their_password(operator_api: APIClient) -> None:
    operator_api.post(PATH, {"slug": "one", "name": "One", "owner": "ada", "password": "correct horse battery"})
    operator_api.post(PATH, {"slug": "two", "name": "Two", "owner": "ada", "password": "another horse battery"})
    assert User.objects.get(username="ada").check_password("correct horse battery")
    assert Membership.objects.filter(user__username="ada").count() == 2


def test_without_a_password_nobody_signs_in(operator_api: APIClient) -> None:
    operator_api.post(PATH, {"slug": "one", "name": "One", "owner": "bob"})
    assert not User.objects.get(username="bob").has_usable_password()


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"slug": "UPPER"}, 400, "slug"),
        ({"slug": "a"}, 400, "slug"),
        ({"slug": "acme"}, 409, ""),
        ({"name": ""}, 400, "name"),
        ({"owner": "a b"}, 400, "owner"),
        ({"password": "password"}, 400, "password"),
        ({"email": "nope"}, 400, "email"),
        ({"role": "x"}, 400, "role"),
    ],
)
def test_bad_accounts(operator_api: APIClient, account: Account, change: dict[str, Any], status: int, field: str) -> None:
    people = User.objects.count()
    response = operator_api.post(PATH, {"slug": "new", "name": "New", "owner": "ada", **change})
    assert response.status_code == status, response.content
    if field:
        assert response.json()["errors"][0]["field"] == field
    assert not Account.objects.filter(slug="new").exists()
    assert User.objects.count() <= people + (status == 409 or field == "slug")


def test_limits_and_states(operator_api: APIClient, account: Account) -> None:
    body = operator_api.patch(f"{PATH}/acme", {"limits": {"accelerators": 5, "vcpus": None}, "name": "A"}).json()
    limits = {line["resource"]: line["limit"] for line in body["limits"]}
    assert (limits["accelerators"], limits["vcpus"], limits["members"], body["name"]) == (5, None, 50, "A")
    entry = AuditEntry.objects.get(action="account.govern")
    assert entry.changes == {"name": ["Acme", "A"], "limits.accelerators": [100, 5], "limits.vcpus": [256, None]}
    assert operator_api.patch(f"{PATH}/acme", {"state": "closed"}).json()["state"] == "closed"
    assert operator_api.patch(f"{PATH}/acme", {"state": "active"}).status_code == 409
    assert [one["slug"] for one in operator_api.get(PATH, {"state": "closed"}).json()["results"]] == ["acme"]


def test_a_dry_governing_governs_nothing(operator_api: APIClient, account: Account) -> None:
    body = operator_api.patch(f"{PATH}/acme?dry_run=true", {"limits": {"accelerators": 5}}).json()
    assert body["resource"]["limits"][0]["limit"] == 5
    assert not AccountLimit.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limits": {"gold": 5}}, "limits"),
        ({"limits": {"vcpus": -1}}, "limits.vcpus"),
        ({"limits": {"vcpus": "5"}}, "limits.vcpus"),
        ({"limits": 5}, "limits"),
        ({"state": "paused"}, "state"),
        ({"slug": "x"}, "slug"),
    ],
)
def test_bad_governing(operator_api: APIClient, account: Account, body: dict[str, Any], field: str) -> None:
    response = operator_api.patch(f"{PATH}/acme", body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


def test_audit_tells_who_did_what_from_where(api: APIClient, operator_api: APIClient, account: Account) -> None:
    api.patch("/api/v1/account", {"name": "B"}, HTTP_X_REQUEST_ID="request-42")
    operator_api.patch(f"{PATH}/acme", {"name": "C"})
    rows = operator_api.get(AUDIT).json()["results"]
    assert [row["action"] for row in rows] == ["account.govern", "account.edit"]
    mine = operator_api.get(AUDIT, {"request": "request-42"}).json()["results"]
    assert [row["actor"] for row in mine] == ["acme-owner (key acme-owner-0)"]
    assert mine[0]["source"] == "127.0.0.1"
    assert mine[0]["target"] == {"type": "account", "id": str(account.pk), "name": "acme"}
    assert operator_api.get(AUDIT, {"action": "account.govern", "account": str(account.pk)}).json()["results"] == rows[:1]
    assert operator_api.get(AUDIT, {"since": "2999-01-01T00:00:00Z"}).json()["results"] == []
    page = operator_api.get(AUDIT, {"limit": 1}).json()
    assert operator_api.get(page["next"]).json()["results"] == rows[1:]
