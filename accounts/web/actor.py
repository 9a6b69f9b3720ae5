"""Who acts on the portal: the signed-in person in the account that the session chose."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.actor import Actor
from accounts.models import Membership, User

SESSION_KEY = "account"
P = ParamSpec("P")
AccountView = Callable[Concatenate[HttpRequest, Actor, P], HttpResponse]


def source_of(request: HttpRequest) -> str:
    """The caller's address, for the audit trail."""
    return str(request.META.get("REMOTE_ADDR", ""))


def person_of(request: HttpRequest) -> User:
    """The signed-in person; views that call it require one."""
    assert isinstance(request.user, User)
    return request.user


def memberships_of(request: HttpRequest) -> list[Membership]:
    """The person's accounts, by slug; one query a request."""
    known: list[Membership] | None = getattr(request, "_memberships", None)
    if known is None:
        known = list(Membership.objects.filter(user=person_of(request)).select_related("account").order_by("account__slug"))
        request._memberships = known  # type: ignore[attr-defined]  # kept for the length of the request
    return known


def present_membership(request: HttpRequest) -> Membership | None:
    """The membership the session chose, else the first; None for a person without any."""
    rows = memberships_of(request)
    chosen = request.session.get(SESSION_KEY)
    return next((row for row in rows if str(row.account_id) == chosen), rows[0] if rows else None)


def actor_of(request: HttpRequest) -> Actor | None:
    """The actor, with the role of the account and nothing more, also for staff; None without an account."""
    membership = present_membership(request)
    if membership is None:
        return None
    person = person_of(request)
    return Actor(
        label=person.get_username(), account=membership.account, role=membership.role, user=person, source=source_of(request)
    )


def choose_account(request: HttpRequest, account_id: UUID) -> bool:
    """Act in this account from now on; False if the person is not a member."""
    if not any(row.account_id == account_id for row in memberships_of(request)):
        return False
    request.session[SESSION_KEY] = str(account_id)
    return True


def in_account(view: AccountView[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Decorator: sign in first; the view gets the actor as its second argument. Operators without account go to the console."""

    @wraps(view)
    def inner(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        actor = actor_of(request)
        if actor is None:
            return redirect("admin:index") if person_of(request).is_staff else render(request, "accounts/no_account.html")
        return view(request, actor, *args, **kwargs)

    guarded: Any = login_required(inner)
    return guarded  # type: ignore[no-any-return]  # login_required keeps the signature at run time
