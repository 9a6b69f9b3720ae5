"""Account, limits, members, SSH keys and API keys through the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Account, ApiKey, Membership, SshKey
from accounts.testing import client_with, make_key, make_person
from mcp.events.models import AuditEntry

ACCOUNT = "/api/v1/account"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5M1XB5dL3Ru1mNBJJ3oXqSZXv1cm6ZwBZC4bYGk3Xq web@example"


def test_profile(api: APIClient, account: Account) -> None:
    body = api.get(ACCOUNT).json()
    assert (body["slug"], body["state"], body["time_zone"]) == ("acme", "active", "UTC")
    changed = api.patch(ACCOUNT, {"name": "Acme Ltd", "time_zone": "Europe/Berlin"}).json()
    assert (changed["name"], changed["time_zone"]) == ("Acme Ltd", "Europe/Berlin")
    entry = AuditEntry.objects.get(action="account.edit")
    assert entry.changes == {"name": ["Acme", "Acme Ltd"], "time_zone": ["UTC", "Europe/Berlin"]}
    assert entry.source == "127.0.0.1"
    assert entry.request_id
    assert entry.actor == "acme-owner (key acme-owner-0)"
    api.patch(ACCOUNT, {"name": "Acme Ltd"})
    assert AuditEntry.objects.filter(action="account.edit").count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"slug": "other"}, "slug"),
        ({"state": "active"}, "state"),
    ],
)
def test_profile_refuses(api: APIClient, body: dict[str, Any], field: str) -> None:
    response = api.patch(ACCOUNT, body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


def test_only_owners_change_the_profile(account: Account) -> None:
    for role, status in (("admin", 403), ("operator", 403), ("owner", 200)):
        assert client_with(make_key(account, role)).patch(ACCOUNT, {"name": role}).status_code == status


def test_limits_count_live_rows(api: APIClient) -> None:
    before = {line["resource"]: line for line in api.get(f"{ACCOUNT}/limits").json()["results"]}
    assert before["accelerators"] == {"resource": "accelerators", "used": 0, "limit": 100}
    assert before["api_keys"]["used"] == 1
    api.post(f"{ACCOUNT}/ssh-keys", {"public_key": KEY})
    after = {line["resource"]: line for line in api.get(f"{ACCOUNT}/limits").json()["results"]}
    assert after["ssh_keys"]["used"] == 1


def test_members_join_change_and_leave(api: APIClient, account: Account) -> None:
    make_person("ada")
    response = api.post(f"{ACCOUNT}/members", {"username": "ada", "role": "operator"})
    assert response.status_code == 201
    member = response.json()
    assert response["Location"] == f"/api/v1/account/members/{member['id']}"
    assert api.get(response["Location"]).json() == member == api.get(f"{ACCOUNT}/members/ada").json()
    assert api.patch(f"{ACCOUNT}/members/ada", {"role": "viewer"}).json()["role"] == "viewer"
    assert [one["username"] for one in api.get(f"{ACCOUNT}/members").json()["results"]] == ["acme-owner", "ada"]
    assert api.post(f"{ACCOUNT}/members", {"username": "ada", "role": "viewer"}).status_code == 409
    assert api.delete(f"{ACCOUNT}/members/ada").status_code == 204
    assert api.get(f"{ACCOUNT}/members/ada").status_code == 404
    assert Membership.objects.filter(account=account).count() == 1


def test_the_last_owner_stays(api: APIClient) -> None:
    assert api.patch(f"{ACCOUNT}/members/acme-owner", {"role": "viewer"}).status_code == 409
    assert api.delete(f"{ACCOUNT}/members/acme-owner").status_code == 409


def test_nobody_gives_or_takes_more_than_they_have(account: Account, owner_key: str) -> None:
    admin = client_with(make_key(account, "admin"))
    make_person("ada")
    assert admin.post(f"{ACCOUNT}/members", {"username": "ada", "role": "owner"}).status_code == 403
    assert admin.post(f"{ACCOUNT}/members", {"username": "ada", "role": "viewer"}).status_code == 201
    assert admin.patch(f"{ACCOUNT}/members/acme-owner", {"role": "viewer"}).status_code == 403
    assert admin.delete(f"{ACCOUNT}/members/acme-owner").status_code == 403


def test_unknown_people_and_roles_are_named(api: APIClient) -> None:
    unknown = api.post(f"{ACCOUNT}/members", {"username": "nobody", "role": "viewer"})
    assert unknown.json()["errors"][0]["field"] == "username"
    assert api.post(f"{ACCOUNT}/members", {"username": "x", "role": "king"}).json()["errors"][0]["field"] == "role"


def test_a_lesser_role_ends_the_keys_that_could_do_more(api: APIClient, account: Account) -> None:
    strong = client_with(make_key(account, "admin", username="ada"))
    weak = client_with(make_key(account, "viewer", username="ada"))
    assert strong.get(ACCOUNT).status_code == 200
    api.patch(f"{ACCOUNT}/members/ada", {"role": "viewer"})
    assert strong.get(ACCOUNT).status_code == 401
    assert weak.get(ACCOUNT).status_code == 200
    api.delete(f"{ACCOUNT}/members/ada")
    assert weak.get(ACCOUNT).status_code == 401


def test_ssh_keys(api: APIClient) -> None:
    response = api.post(f"{ACCOUNT}/ssh-keys", {"public_key": KEY + "\n"})
    assert response.status_code == 201, response.content
    key = response.json()
    assert key["name"] == "web@example"
    assert key["fingerprint"].startswith("SHA256:")
    assert key["public_key"] == KEY.rsplit(" ", 1)[0]
    assert api.get(f"{ACCOUNT}/ssh-keys/web@example").json() == key == api.get(response["Location"]).json()
    assert api.post(f"{ACCOUNT}/ssh-keys", {"public_key": KEY}).status_code == 409
    by_print = api.get(f"{ACCOUNT}/ssh-keys", {"fingerprint": key["fingerprint"]}).json()["results"]
    assert by_print == [key]
    assert api.delete(f"{ACCOUNT}/ssh-keys/{key['id']}").status_code == 204
    assert not SshKey.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 AAAA", 'command="rm -rf /" ' + KEY, KEY + "\n" + KEY,
        "ssh-dss AAAA x",
        "ssh-ed25519", "", "x" * 20_000, "ssh-rsa " + KEY.split()[1],
    ],
)  # fmt: skip
def test_bad_ssh_keys(api: APIClient, text: str) -> None:
    response = api.post(f"{ACCOUNT}/ssh-keys", {"public_key": text})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "public_key"


def test_an_api_key_is_shown_once_and_works(api: APIClient) -> None:
    response = api.post(f"{ACCOUNT}/api-keys", {"name": "ci", "role": "viewer", "scopes": ["accelerators.read"]})
    assert response.status_code == 201
    key = response.json()["key"]
    row = ApiKey.objects.get(name="ci")
    assert key not in (row.digest, row.prefix)
    listed = api.get(f"{ACCOUNT}/api-keys").content.decode() + api.get(f"{ACCOUNT}/api-keys/ci").content.decode()
    assert key not in listed
    client = client_with(key)
    assert client.get("/api/v1/accelerators").status_code == 200
    assert client.get(ACCOUNT).status_code == 403
    assert api.delete(f"{ACCOUNT}/api-keys/ci").status_code == 204
    assert client.get("/api/v1/accelerators").status_code == 401
    assert api.get(f"{ACCOUNT}/api-keys/ci").status_code == 404


def test_a_key_can_do_no_more_than_its_maker(account: Account) -> None:
    admin = client_with(make_key(account, "admin"))
    assert admin.post(f"{ACCOUNT}/api-keys", {"name": "x", "role": "owner"}).status_code == 403
    narrow = client_with(make_key(account, "owner", scopes=["api_keys.write", "api_keys.read"]))
    assert narrow.post(f"{ACCOUNT}/api-keys", {"name": "x"}).status_code == 403
    assert narrow.post(f"{ACCOUNT}/api-keys", {"name": "x", "scopes": ["api_keys.read"]}).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"role": "king"}, "role"),
        ({"name": ""}, "name"),
        ({"name": ["x"]}, "name"),
    ],
)
def test_bad_api_keys(api: APIClient, body: dict[str, Any], field: str) -> None:
    response = api.post(f"{ACCOUNT}/api-keys", {"name": "x", **body})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


def test_keys_expire_and_end_with_their_person(api: APIClient, account: Account) -> None:
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    key = api.post(f"{ACCOUNT}/api-keys", {"name": "short", "expires_at": soon}).json()["key"]
    client = client_with(key)
    assert client.get(ACCOUNT).status_code == 200
    ApiKey.objects.filter(name="short").update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(ACCOUNT).status_code == 401
    other = client_with(make_key(account, "admin", username="ada"))
    assert other.get(ACCOUNT).status_code == 200
    make_person("ada").__class__.objects.filter(username="ada").update(is_active=False)
    assert other.get(ACCOUNT).status_code == 401


def test_last_use_is_noted_once_a_minute(api: APIClient) -> None:
    api.get(ACCOUNT)
    row = ApiKey.objects.get()
    assert row.last_used_from == "127.0.0.1"
    first = row.last_used_at
    assert first is not None
    api.get(ACCOUNT)
    row.refresh_from_db()
    assert row.last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    api.get(ACCOUNT, REMOTE_ADDR="192.0.2.9")
    row.refresh_from_db()
    assert row.last_used_from == "192.0.2.9"


@pytest.mark.parametrize(
    "header", ["Basic eA==", "Bearer", "Bearer a b", "Bearer mcp_", "Bearer " + "x" * 5000, "Bearer mcp_\xe9"]
)
def test_wrong_headers(db: None, header: str) -> None:
    client = APIClient(raise_request_exception=False)
    response = client.get(ACCOUNT, HTTP_AUTHORIZATION=header)
    assert response.status_code == 401
    assert response.json()["code"] == "access.unauthenticated"


def test_forwarded_addresses_are_believed_only_behind_our_proxy(api: APIClient, settings: Any) -> None:
    forwarded = "6.6.6.6, 203.0.113.5"
    api.get(ACCOUNT, HTTP_X_FORWARDED_FOR=forwarded)
    assert ApiKey.objects.get().last_used_from == "127.0.0.1"
    ApiKey.objects.update(last_used_at=None)
    settings.BEHIND_PROXY = True
    api.get(ACCOUNT, HTTP_X_FORWARDED_FOR=forwarded)
    assert ApiKey.objects.get().last_used_from == "203.0.113.5"


def test_an_operators_key_counts_only_while_its_person_is_staff(operator_api: APIClient) -> None:
    assert operator_api.get("/api/v1/operator/pods").status_code == 200
    make_person("root").__class__.objects.filter(username="root").update(is_staff=False)
    assert operator_api.get("/api/v1/operator/pods").status_code == 403
