"""Keys: only a hash is kept, scopes narrow, and no key outlives its right or does more than its maker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.actor import Actor, system
from accounts.models import Account, ApiKey
from accounts.permissions import SCOPES, Role, allowed
from accounts.services.api_keys import create_api_key, digest, find_live, revoke_api_key, touch
from accounts.testing import actor_with, make_key
from mcp.errors import Conflict, Forbidden, InvalidInput, LimitExceeded
from mcp.events.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_only_a_hash_is_kept(actor: Actor) -> None:
    row, key = create_api_key(actor=actor, name="ci")
    assert len(key) >= 4 + 43
    assert (row.digest, row.prefix) == (digest(key), key[:10])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        assert key not in str(cursor.fetchall())
    assert key not in str(list(AuditEntry.objects.values()))
    assert key not in str(row) + repr(row)
    live = find_live(key)
    assert live is not None
    assert live.pk == row.pk
    assert create_api_key(actor=actor, name="ci2")[1] != key


@pytest.mark.parametrize("bad", ["", "mcp_", "x", "mcp_" + "a" * 300, "MCP_", "mcp_\x00", "mcp_é", "%", "mcp_' OR 1=1"])
def test_what_is_no_key_is_nobody(actor: Actor, bad: str) -> None:
    assert find_live(bad) is None


def test_nearly_the_key_is_nobody(owner_key: str) -> None:
    flipped = owner_key[:-1] + ("A" if owner_key[-1] != "A" else "B")
    for bad in (flipped, owner_key + "x", owner_key.upper(), f" {owner_key}", digest(owner_key), "mcp_" + digest(owner_key)):
        assert find_live(bad) is None


def test_expired_revoked_and_of_somebody_inactive(actor: Actor) -> None:
    row, key = create_api_key(actor=actor, name="ci", expires_at=timezone.now() + timedelta(hours=1))
    assert find_live(key)
    ApiKey.objects.filter(pk=row.pk).update(expires_at=timezone.now())
    assert find_live(key) is None
    ApiKey.objects.filter(pk=row.pk).update(expires_at=None)
    row.user.is_active = False
    row.user.save()
    assert find_live(key) is None
    row.user.is_active = True
    row.user.save()
    assert find_live(key)
    for _ in range(2):
        revoke_api_key(actor=actor, row=row)
        assert find_live(key) is None
    assert AuditEntry.objects.filter(action="api_key.revoke").count() == 1


def test_a_name_is_free_again_once_revoked(actor: Actor) -> None:
    row, _ = create_api_key(actor=actor, name="ci")
    with pytest.raises(Conflict, match="'ci'"):
        create_api_key(actor=actor, name="ci")
    revoke_api_key(actor=actor, row=row)
    create_api_key(actor=actor, name="ci")


@pytest.mark.parametrize("scopes", [[], ["nope"], ["*", "nope"], ["accelerators.*"], ["accelerators.read\n"], [""]])
def test_unknown_scopes(actor: Actor, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_api_key(actor=actor, name="ci", scopes=scopes)
    assert refused.value.errors[0].field == "scopes"


def test_unknown_roles_and_past_times(actor: Actor) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_api_key(actor=actor, name="ci", role="root")
    assert refused.value.errors[0].field == "role"
    with pytest.raises(InvalidInput) as refused:
        create_api_key(actor=actor, name="ci", expires_at=timezone.now() - timedelta(seconds=1))
    assert refused.value.errors[0].field == "expires_at"
    assert not ApiKey.objects.filter(name="ci").exists()


MAKERS = [
    (Role.OWNER, ("*",)), (Role.ADMIN, ("*",)), (Role.OWNER, ("api_keys.write",)),
    (Role.OWNER, ("api_keys.write", "read")), (Role.ADMIN, ("api_keys.write", "accelerators.read")),
]  # fmt: skip


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "scopes", [("*",), ("read",), ("accelerators.write",), ("accelerators.read", "events.read"), ("account.write",)]
)
@pytest.mark.parametrize("maker", MAKERS)
def test_no_key_can_do_what_its_maker_cannot(
    account: Account, maker: tuple[Role, tuple[str, ...]], role: Role, scopes: tuple[str, ...]
) -> None:
    actor = actor_with(make_key(account, *maker))
    beyond = {p for p in SCOPES - {"*", "read"} if allowed(role, scopes, p) and not actor.may(p)}
    if not beyond:
        made = actor_with(create_api_key(actor=actor, name="ci", role=role, scopes=scopes)[1])
        assert (made.role, tuple(made.scopes)) == (role, scopes)
        return
    with pytest.raises(Forbidden, match="cannot do more than its maker") as refused:
        create_api_key(actor=actor, name="ci", role=role, scopes=scopes)
    assert all(permission in refused.value.detail for permission in beyond)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.BILLING, Role.VIEWER])
def test_who_may_not_manage_keys(account: Account, role: Role) -> None:
    actor = actor_with(make_key(account, role))
    with pytest.raises(Forbidden):
        create_api_key(actor=actor, name="ci", role=Role.VIEWER)
    with pytest.raises(Forbidden):
        revoke_api_key(actor=actor, row=ApiKey.objects.all()[0])
    with pytest.raises(Forbidden, match="belongs to a person"):
        create_api_key(actor=system(), name="ci")


def test_the_limit_counts_live_keys(account: Account, actor: Actor) -> None:
    account.limit_rows.create(resource="api_keys", limit=2)
    row, _ = create_api_key(actor=actor, name="one")
    with pytest.raises(LimitExceeded):
        create_api_key(actor=actor, name="two")
    revoke_api_key(actor=actor, row=row)
    create_api_key(actor=actor, name="two")


def test_last_use_is_written_once_a_minute(actor: Actor) -> None:
    row, _ = create_api_key(actor=actor, name="ci")
    touch(row, "a" * 100)
    row.refresh_from_db()
    assert row.last_used_from == "a" * 64
    touch(row, "later")
    row.refresh_from_db()
    assert row.last_used_from == "a" * 64
    row.last_used_at = timezone.now() - timedelta(minutes=2)
    touch(row, "later")
    row.refresh_from_db()
    assert row.last_used_from == "later"
