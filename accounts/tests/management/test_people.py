"""`manage.py account`, `user` and `apikey`."""

from __future__ import annotations

import io
import json
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Account, ApiKey, Membership, User
from accounts.services.api_keys import find_live
from mcp.events.models import AuditEntry

pytestmark = pytest.mark.django_db
Output = pytest.CaptureFixture[str]


def said(capsys: Output) -> str:
    """What was printed since the last look."""
    return str(capsys.readouterr().out)


@pytest.fixture
def acme(capsys: Output) -> Account:
    """An account with its owner."""
    call_command("user", "add", "ann")
    call_command("account", "open", "acme", "--owner", "ann", "--name", "Acme")
    said(capsys)
    return Account.objects.get(slug="acme")


def test_user_add_prints_a_password_that_works(capsys: Output) -> None:
    call_command("user", "add", "root", "--operator", "--email", "root@example.org")
    password = said(capsys).split("shown once): ")[1].strip()
    user = User.objects.get(username="root")
    assert user.check_password(password)
    assert user.is_staff
    assert AuditEntry.objects.filter(action="user.add", target_name="root").exists()


def test_a_password_from_standard_input_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a long enough secret\n"))
    call_command("user", "add", "ann", "--password-stdin")
    assert "secret" not in said(capsys)
    assert User.objects.get(username="ann").check_password("a long enough secret")
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="12"):
        call_command("user", "password", "ann", "--password-stdin")
    assert User.objects.get(username="ann").check_password("a long enough secret")


def test_user_names_are_checked_and_unique(acme: Account) -> None:
    with pytest.raises(CommandError, match="exists already"):
        call_command("user", "add", "ann")
    with pytest.raises(CommandError, match="username"):
        call_command("user", "add", "a b/c")


def test_account_open_list_suspend_and_resume(acme: Account, capsys: Output) -> None:
    assert Membership.objects.get(account=acme).role == "owner"
    call_command("account", "suspend", "acme", "--reason", "unpaid")
    call_command("account", "suspend", "acme")
    said(capsys)
    call_command("account", "list", "--json")
    assert json.loads(said(capsys))[0]["state"] == "suspended"
    call_command("account", "resume", "acme")
    acme.refresh_from_db()
    assert acme.state == "active"
    assert AuditEntry.objects.filter(action__in=["account.suspended", "account.active"]).count() == 2


def test_account_open_refuses_what_it_must(acme: Account) -> None:
    with pytest.raises(CommandError, match="exists already"):
        call_command("account", "open", "acme")
    with pytest.raises(CommandError, match="2 to 32"):
        call_command("account", "open", "Bad_Slug")
    with pytest.raises(CommandError, match="user add bob"):
        call_command("account", "open", "other", "--owner", "bob")


def test_apikey_of_an_account_is_printed_once_and_works(acme: Account, capsys: Output) -> None:
    call_command("apikey", "make", "--account", "acme", "--role", "viewer", "--days", "3", "--scope", "read")
    key = said(capsys).strip()
    row = find_live(key)
    assert row is not None
    assert (row.account, row.role, row.scopes, row.user.username) == (acme, "viewer", ["read"], "ann")
    assert row.expires_at is not None
    assert key not in json.dumps(list(ApiKey.objects.values("name", "prefix", "digest")))


def test_apikey_of_operators_and_revoking(capsys: Output) -> None:
    with pytest.raises(CommandError, match="user add NAME --operator"):
        call_command("apikey", "make", "--operator")
    call_command("user", "add", "root", "--operator")
    said(capsys)
    call_command("apikey", "make", "--operator")
    key = said(capsys).strip()
    row = find_live(key)
    assert row is not None
    assert row.is_operator
    with pytest.raises(CommandError, match="already"):
        call_command("apikey", "make", "--operator")
    call_command("apikey", "list", "--json")
    assert [entry["account"] for entry in json.loads(said(capsys))] == ["(operators)"]
    call_command("apikey", "revoke", str(row.pk))
    assert find_live(key) is None


@pytest.mark.parametrize("arguments", [["make", "--account", "nobody"], ["revoke", "0" * 32], ["revoke", "not an id"]])
def test_unknown_things_are_one_sentence(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("apikey", *arguments)


def test_user_list_shows_roles(acme: Account, capsys: Output) -> None:
    call_command("user", "list")
    assert "acme (owner)" in said(capsys)
