"""Bases of the views: for customers (an account and a role) and for operators."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request

from accounts.actor import Actor
from accounts.models import Account
from mcp.api.views import ApiView
from mcp.errors import Forbidden

SAFE = ("GET", "HEAD", "OPTIONS")


def actor(request: Request) -> Actor:
    """Who calls."""
    found = request.user
    assert isinstance(found, Actor)
    return found


def account(request: Request) -> Account:
    """The account acted for."""
    return actor(request).demand_account()


class CustomerView(ApiView):
    """Acts in the key's account. Reading needs `noun.read`, everything else `noun.write`."""

    noun: ClassVar[str]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises Forbidden for operators' keys and for missing permissions."""
        super().initial(request, *args, **kwargs)
        caller = actor(request)
        if caller.account is None:
            raise Forbidden("An operator's key has no account; use a key of the account, or the paths under /api/v1/operator/.")
        caller.demand(f"{self.noun}.{'read' if request.method in SAFE else 'write'}")


class OperatorView(ApiView):
    """For the operators of the installation only."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises Forbidden for everybody else."""
        super().initial(request, *args, **kwargs)
        if not actor(request).is_operator:
            raise Forbidden("The paths under /api/v1/operator/ are for operators of the installation; use an operator's key.")
