"""`/account`: who we are, and `/account/limits`: what we may hold."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import CustomerView, account, actor
from accounts.models import Account
from accounts.services.limits import LimitUse, limits_with_use
from accounts.services.profile import edit_profile
from mcp.api.changes import Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import StrictSerializer, Text
from mcp.api.schema import changing, reading
from mcp.api.views import one, parsed


class AccountShape(serializers.Serializer[Any]):
    """An account."""

    id = serializers.UUIDField()
    slug = serializers.CharField(help_text="Part of DNS names; never changes.")
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Account.State.choices)
    time_zone = serializers.CharField(help_text="IANA name; used on invoices and pages. The API speaks UTC.")
    currency = serializers.CharField()
    created_at = serializers.DateTimeField()


class LimitShape(serializers.Serializer[Any]):
    """One limit with its present use."""

    resource = serializers.CharField()
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="null means no limit.")


class LimitsShape(serializers.Serializer[Any]):
    """All limits."""

    results = LimitShape(many=True)


class AccountEdit(StrictSerializer):
    """What may be changed of an account."""

    name = Text(max_length=120, required=False)
    time_zone = Text(max_length=64, required=False, help_text="An IANA name such as Europe/Berlin.")


def present_account(row: Account) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.pk, "slug": row.slug, "name": row.name, "state": row.state, "time_zone": row.time_zone,
        "currency": row.currency, "created_at": row.created_at,
    }  # fmt: skip


def present_limits(lines: list[LimitUse]) -> list[dict[str, Any]]:
    """As the API shows them."""
    return [{"resource": line.resource, "used": line.used, "limit": line.limit} for line in lines]


class AccountView(CustomerView):
    """`/account`."""

    noun = "account"

    @reading(AccountShape, "account", "The account of the key", tags=["account"])
    def get(self, request: Request) -> Response:
        """Read the account that the key belongs to."""
        return one(request, present_account(account(request)))

    @changing(AccountEdit, AccountShape, "editAccount", "Change name or time zone", method="patch", tags=["account"])
    def patch(self, request: Request) -> Response:
        """Change the account's name or time zone. Owners only."""
        row = account(request)
        demand_match(request, tag_of(present_account(row)))
        edit = parsed(AccountEdit, request)

        def perform() -> Outcome:
            changed = edit_profile(actor=actor(request), **edit)
            return Outcome(lambda: present_account(changed), etag=tag_of)

        return carry_out(request, perform)


class LimitsView(CustomerView):
    """`/account/limits`."""

    noun = "limits"

    @extend_schema(operation_id="limits", summary="Limits with their use", responses=LimitsShape, tags=["account"])
    def get(self, request: Request) -> Response:
        """Every limit of the account, counted from live rows; what is in the trash still holds its room."""
        return one(request, {"results": present_limits(limits_with_use(account(request)))})
