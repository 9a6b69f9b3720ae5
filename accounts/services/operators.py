"""Whether a request comes from an operator of the installation: for what lies outside the API and the console."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.services.api_keys import find_live, touch

BEARER = "bearer "


def is_operator(request: HttpRequest) -> bool:
    """True for an operator's API key in `Authorization: Bearer`, or the session of a person who is staff."""
    given = request.headers.get("Authorization", "")
    if given.lower().startswith(BEARER):
        return _is_operator_key(given[len(BEARER) :].strip(), request.META.get("REMOTE_ADDR", ""))
    user = getattr(request, "user", None)
    return bool(user is not None and user.is_authenticated and user.is_active and user.is_staff)


def _is_operator_key(key: str, source: str) -> bool:
    row = find_live(key)
    if row is None or not row.is_operator:
        return False
    touch(row, source)
    return True
