"""What the plumbing needs to know of whoever calls; the accounts' Actor is one."""

from __future__ import annotations

from typing import Protocol, cast

from rest_framework.request import Request


class Caller(Protocol):
    """Sits in `request.user` once a key was recognised."""

    @property
    def owner_key(self) -> str:
        """Whose idempotency keys and request budget these are: the account's, or an operator key's own."""

    @property
    def is_authenticated(self) -> bool:
        """Always true; REST framework asks."""


def caller_of(request: Request) -> Caller:
    """The caller of an authenticated request."""
    return cast(Caller, request.user)
