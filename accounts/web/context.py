"""What the frame of every page shows: the person, the account, the accounts to switch to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from accounts.web.actor import actor_of, memberships_of


def whoami(request: HttpRequest) -> dict[str, Any]:
    """Lazy, so that pages that show none of it ask nothing of the database."""
    if not isinstance(getattr(request, "user", None), User) and not getattr(request.user, "is_authenticated", False):
        return {}
    return {
        "actor": SimpleLazyObject(lambda: actor_of(request)),
        "memberships": SimpleLazyObject(lambda: memberships_of(request)),
    }
