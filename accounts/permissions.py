"""Roles and what each may do. A permission is `noun.read` or `noun.write`; a key's scopes narrow it further."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import models


class Role(models.TextChoices):
    """A person's or key's part in an account."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    BILLING = "billing"
    VIEWER = "viewer"


NOUNS = ("account", "members", "ssh_keys", "api_keys", "limits", "catalogue", "accelerators", "operations", "events")
READ_ALL = frozenset(f"{noun}.read" for noun in NOUNS)
RUN = frozenset({"accelerators.write", "operations.write", "ssh_keys.write"})
MANAGE = frozenset({"members.write", "api_keys.write", "account.write"})

PERMISSIONS: Mapping[str, frozenset[str]] = {
    Role.OWNER: READ_ALL | RUN | MANAGE,
    Role.ADMIN: READ_ALL | RUN | MANAGE - {"account.write"},
    Role.OPERATOR: READ_ALL - {"api_keys.read"} | RUN,
    Role.BILLING: frozenset({"account.read", "limits.read", "catalogue.read", "events.read"}),
    Role.VIEWER: READ_ALL - {"api_keys.read"},
}
ALL_PERMISSIONS = READ_ALL | RUN | MANAGE
SCOPES: frozenset[str] = ALL_PERMISSIONS | {"*", "read"}


def allowed(role: str, scopes: Iterable[str], permission: str) -> bool:
    """Whether a role, narrowed by scopes (`*` narrows nothing, `read` leaves the reads), has a permission."""
    if permission not in PERMISSIONS.get(role, frozenset()):
        return False
    given = set(scopes)
    return "*" in given or permission in given or ("read" in given and permission.endswith(".read"))
