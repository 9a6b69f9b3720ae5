"""What the frame of every page shows: the person, the account, the accounts to switch to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.web.actor import actor_of, memberships_of


def whoami(request: HttpRequest) -> dict[str, Any]:
    """Lazy, so that pages that show none of it ask nothing of the database."""
    person = getattr(request, "user", None)
    if person is None or not person.is_authenticated:
        return {}
    return {
        "actor": SimpleLazyObject(lambda: actor_of(request)),
        "memberships": SimpleLazyObject(lambda: memberships_of(request)),
    }
