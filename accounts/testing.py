"""Factories for tests of every app: accounts, people, keys, and a client that speaks as one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.test import APIClient

from accounts.actor import Actor
from accounts.api.authentication import actor_of
from accounts.models import Account, ApiKey, Membership, User
from accounts.permissions import Role
from accounts.services.api_keys import find_live, issue


def make_account(slug: str = "acme", **fields: Any) -> Account:
    """An account; the same one when asked again."""
    return Account.objects.get_or_create(slug=slug, defaults={"name": slug.title(), **fields})[0]


def make_person(username: str, *, staff: bool = False) -> User:
    """Somebody who signs in; the same one when asked again."""
    return User.objects.get_or_create(username=username, defaults={"is_staff": staff, "email": f"{username}@example.com"})[0]


def make_key(account: Account | None, role: str = Role.OWNER, scopes: Sequence[str] = ("*",), username: str = "") -> str:
    """A key of a person with that role; without an account, of an operator. Answers the key itself."""
    name = username or (f"{account.slug}-{role}" if account is not None else "root")
    person = make_person(name, staff=account is None)
    if account is not None:
        Membership.objects.get_or_create(account=account, user=person, defaults={"role": role})
    number = ApiKey.objects.filter(account=account).count()
    return issue(account=account, user=person, name=f"{name}-{number}", role=role, scopes=scopes)[1]


def actor_with(key: str) -> Actor:
    """The actor of a key, as the API would see it."""
    row = find_live(key)
    assert row is not None
    return actor_of(row, "127.0.0.1")


def client_with(key: str | None) -> APIClient:
    """A client that sends the key (or none) with every request; unhandled errors become 500, as for real callers."""
    client = APIClient(raise_request_exception=False)
    if key is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client
