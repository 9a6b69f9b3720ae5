"""`/account/api-keys`: keys for programs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import find
from accounts.api.views import CustomerView, account, actor
from accounts.models import ApiKey
from accounts.permissions import SCOPES, Role
from accounts.services.api_keys import create_api_key, revoke_api_key
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.fields import StrictSerializer, Text
from mcp.api.filters import choice, filtered, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed

ORDER = ("-created_at", "name")
FILTERS = {"name": text("name", "By name."), "role": choice("role", Role.values, "By role.")}


class ApiKeyShape(serializers.Serializer[Any]):
    """A key, without the key."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The beginning of the key, to recognise it by.")
    username = serializers.CharField(help_text="Whose key it is; it ends with this person's membership.")
    role = serializers.ChoiceField(choices=Role.choices)
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    last_used_from = serializers.CharField()


class ApiKeyOnce(ApiKeyShape):
    """A new key; `key` is never shown again."""

    key = serializers.CharField()


class NewApiKey(StrictSerializer):
    """A key to make. It can do no more than the key that makes it."""

    name = Text(max_length=64)
    role = serializers.ChoiceField(choices=Role.choices, required=False, help_text="Yours unless told.")
    scopes = serializers.ListField(
        child=Text(max_length=64), required=False, max_length=50,
        help_text=f"Narrows the role; all of it unless told. Of: {', '.join(sorted(SCOPES))}.",
    )  # fmt: skip
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


def present_api_key(row: ApiKey) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.pk, "name": row.name, "prefix": row.prefix, "username": row.user.get_username(), "role": row.role,
        "scopes": list(row.scopes), "created_at": row.created_at, "expires_at": row.expires_at,
        "last_used_at": row.last_used_at, "last_used_from": row.last_used_from,
    }  # fmt: skip


def live_keys(request: Request) -> QuerySet[ApiKey]:
    """The account's keys that are not revoked."""
    return ApiKey.objects.filter(account=account(request), revoked_at__isnull=True).select_related("user")


class ApiKeysView(CustomerView):
    """`/account/api-keys`."""

    noun = "api_keys"

    @listing(ApiKeyShape, "apiKeys", "API keys of the account", filters=FILTERS, order=ORDER, tags=["account"])
    def get(self, request: Request) -> Response:
        """Keys that are not revoked; expired ones included."""
        page = paged(request, filtered(request, live_keys(request), FILTERS), ORDER)
        return Response(page.body([present_api_key(row) for row in page.rows]))

    @changing(NewApiKey, ApiKeyOnce, "createApiKey", "Make an API key", status=201, tags=["account"])
    def post(self, request: Request) -> Response:
        """The answer holds the key itself, this once; only a hash of it is kept."""
        body = parsed(NewApiKey, request)

        def perform() -> Outcome:
            row, key = create_api_key(actor=actor(request), **body)
            return Outcome(
                lambda: {**present_api_key(row), "key": key}, status=201, location=f"{API}/account/api-keys/{row.pk}",
                preview=lambda: present_api_key(row),
            )  # fmt: skip

        return carry_out(request, perform)


class ApiKeyView(CustomerView):
    """`/account/api-keys/{id or name}`."""

    noun = "api_keys"

    @reading(ApiKeyShape, "apiKey", "One API key", tags=["account"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or name; the key itself is never shown again."""
        return one(request, present_api_key(find(live_keys(request), ref, name="name", what="api key")))

    @changing(None, None, "revokeApiKey", "Revoke an API key", method="delete", status=204, tags=["account"])
    def delete(self, request: Request, ref: str) -> Response:
        """It is useless at once, also if it is the key that asks."""
        row = find(live_keys(request), ref, name="name", what="api key")

        def perform() -> Outcome:
            last = present_api_key(row)
            revoke_api_key(actor=actor(request), row=row)
            return Outcome(lambda: None, status=204, preview=lambda: last)

        return carry_out(request, perform)
