"""`/operator/accounts`: open accounts, suspend and close them, raise their limits."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.account import AccountShape, LimitShape, present_account, present_limits
from accounts.api.lookup import find
from accounts.api.views import OperatorView, actor
from accounts.models import Account
from accounts.models.account import DEFAULT_LIMITS
from accounts.services.accounts import open_account
from accounts.services.govern import govern_account
from accounts.services.limits import limits_with_use
from accounts.services.people import find_or_add_person
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import Number, StrictSerializer, Text
from mcp.api.filters import choice, filtered, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed

ORDER = ("slug", "created_at")
FILTERS = {"state": choice("state", Account.State.values, "By state."), "slug": text("slug", "By slug.")}


class AccountWithLimits(AccountShape):
    """An account with what it holds and may hold."""

    limits = LimitShape(many=True)


class NewAccount(StrictSerializer):
    """An account to open. The owner is a person who signs in; one who is not known yet is added."""

    slug = Text(max_length=32, help_text="2 to 32 of a-z, 0-9 and -; part of DNS names, never changes.")
    name = Text(max_length=120)
    owner = Text(max_length=150, required=False, help_text="User name of the first owner.")
    email = serializers.EmailField(required=False, default="", help_text="Of an owner who is not known yet.")
    password = Text(
        max_length=200, required=False, default="", trim_whitespace=False,
        help_text="Of an owner who is not known yet; without one this person cannot sign in by password.",
    )  # fmt: skip


class AccountGovern(StrictSerializer):
    """What operators change of an account."""

    name = Text(max_length=120, required=False)
    state = serializers.ChoiceField(choices=Account.State.choices, required=False)
    limits = serializers.DictField(
        child=Number(min_value=0, max_value=2_000_000_000, allow_null=True), required=False,
        help_text=f"Of {', '.join(DEFAULT_LIMITS)}; null means no limit. Limits not named stay.",
    )  # fmt: skip


def present_with_limits(row: Account) -> dict[str, Any]:
    """As operators see one account."""
    return {**present_account(row), "limits": present_limits(limits_with_use(row))}


class AccountsView(OperatorView):
    """`/operator/accounts`."""

    @listing(AccountShape, "accounts", "All accounts", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """All accounts, whatever their state, ordered by slug."""
        page = paged(request, filtered(request, Account.objects.all(), FILTERS), ORDER)
        return Response(page.body([present_account(row) for row in page.rows]))

    @changing(
        NewAccount, AccountWithLimits, "openAccount", "Open an account", status=201, tags=["operator"],
        examples=[OpenApiExample("With an owner", {"slug": "acme", "name": "Acme", "owner": "ada"}, request_only=True)],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """With its first owner."""
        body = parsed(NewAccount, request)

        def perform() -> Outcome:
            owner = find_or_add_person(
                actor=actor(request), username=body["owner"], email=body["email"], password=body["password"]
            ) if body.get("owner") else None  # fmt: skip
            row = open_account(actor=actor(request), slug=body["slug"], name=body["name"], owner=owner)
            return Outcome(lambda: present_with_limits(row), status=201, location=f"{API}/operator/accounts/{row.pk}")

        return carry_out(request, perform)


class AccountByIdView(OperatorView):
    """`/operator/accounts/{id or slug}`."""

    @reading(AccountWithLimits, "accountById", "One account", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """With its limits and their use."""
        return one(request, present_with_limits(find(Account.objects.all(), ref, name="slug", what="account")))

    @changing(AccountGovern, AccountWithLimits, "governAccount", "Change state or limits", method="patch", tags=["operator"])
    def patch(self, request: Request, ref: str) -> Response:
        """A suspended account reads and deletes; a closed one changes nothing."""
        row = find(Account.objects.all(), ref, name="slug", what="account")
        body = parsed(AccountGovern, request)
        demand_match(request, tag_of(present_with_limits(row)))

        def perform() -> Outcome:
            changed = govern_account(actor=actor(request), account=row, **body)
            return Outcome(lambda: present_with_limits(changed), etag=tag_of)

        return carry_out(request, perform)
