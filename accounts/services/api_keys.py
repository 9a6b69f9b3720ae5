"""Make, verify and revoke API keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Account, ApiKey, User
from accounts.permissions import SCOPES, Role, allowed
from accounts.services.limits import demand_room, lock_account
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.services.audit import audit

MARK = "mcp_"
# `last_used_at` is written at most this often, so that reading stays reading.
TOUCH_EVERY = timedelta(minutes=1)


def digest(key: str) -> str:
    """The stored form of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def create_api_key(
    *,
    actor: Actor,
    name: str,
    role: str | None = None,
    scopes: Sequence[str] = ("*",),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key in the actor's account; answers the row and the key itself, which is never shown again.

    Raises Forbidden when the key would be able to do more than its maker, InvalidInput, Conflict, LimitExceeded.
    """
    actor.demand("api_keys.write")
    wanted = role or actor.role
    _check(actor, wanted, scopes, expires_at)
    if actor.user is None:
        raise Forbidden("A key belongs to a person; sign in, or use a key of a person.")
    with transaction.atomic():
        account = lock_account(actor.demand_account().pk)
        if ApiKey.objects.filter(account=account, name=name, revoked_at__isnull=True).exists():
            raise Conflict(f"name: there is a key named {name!r} already; choose another name or revoke that key.")
        demand_room(account, {"api_keys": 1})
        row, key = issue(account=account, user=actor.user, name=name, role=wanted, scopes=scopes, expires_at=expires_at)
        audit(
            "api_key.create", actor=actor.label, source=actor.source, account_id=account.pk, target_type="api_key",
            target_id=row.pk, target_name=name, changes={"role": wanted, "scopes": list(scopes)},
        )  # fmt: skip
    return row, key


def issue(
    *,
    account: Account | None,
    user: User,
    name: str,
    role: str = Role.OWNER,
    scopes: Sequence[str] = ("*",),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Write a key without asking who asks: for the command line and `create_api_key`."""
    key = MARK + secrets.token_urlsafe(32)
    row = ApiKey.objects.create(
        account=account, user=user, name=name, role=role, scopes=list(scopes), expires_at=expires_at,
        prefix=key[: len(MARK) + 6], digest=digest(key),
    )  # fmt: skip
    return row, key


def _check(actor: Actor, role: str, scopes: Sequence[str], expires_at: datetime | None) -> None:
    unknown = sorted(set(scopes) - SCOPES)
    if not scopes or unknown:
        raise InvalidInput.on(
            "scopes", f"choose from {', '.join(sorted(SCOPES))}; unknown: {', '.join(unknown) or 'none given'}."
        )
    if role not in Role.values:
        raise InvalidInput.on("role", f"choose one of {', '.join(Role.values)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput.on("expires_at", "must lie in the future.")
    beyond = [p for p in SCOPES - {"*", "read"} if allowed(role, scopes, p) and not actor.may(p)]
    if beyond:
        raise Forbidden(f"A key cannot do more than its maker; you lack {', '.join(sorted(beyond))}.")


def find_live(key: str) -> ApiKey | None:
    """The unrevoked, unexpired key, or None; one indexed query whatever is sent."""
    if not key.startswith(MARK) or len(key) > 200:
        return None
    return (
        ApiKey.objects.select_related("account", "user")
        .filter(digest=digest(key), revoked_at__isnull=True, user__is_active=True)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))
        .first()
    )


def touch(row: ApiKey, source: str) -> None:
    """Note when and from where a key was last used, at most once a minute."""
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - TOUCH_EVERY:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now, last_used_from=source[:64])


def revoke_api_key(*, actor: Actor, row: ApiKey) -> None:
    """Make a key useless at once; repeatable."""
    actor.demand("api_keys.write")
    with transaction.atomic():
        if ApiKey.objects.filter(pk=row.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()):
            audit(
                "api_key.revoke", actor=actor.label, source=actor.source, account_id=row.account_id,
                target_type="api_key", target_id=row.pk, target_name=row.name,
            )  # fmt: skip
