"""`Authorization: Bearer KEY` becomes an `Actor`."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts.actor import Actor
from accounts.models import ApiKey
from accounts.services.api_keys import find_live, touch
from mcp.api.errors import Unauthenticated


class ApiKeyAuthentication(BaseAuthentication):
    """One indexed query a request; the key's last use is written at most once a minute."""

    def authenticate(self, request: Request) -> tuple[Actor, ApiKey] | None:
        """Raises Unauthenticated for anything but a live key; None without the header (the permission then refuses)."""
        words = get_authorization_header(request).split()
        if not words:
            return None
        if len(words) != 2 or words[0].lower() != b"bearer":
            raise Unauthenticated("Send the header “Authorization: Bearer KEY”.")
        row = find_live(words[1].decode("ascii", "replace"))
        if row is None:
            raise Unauthenticated("The key is unknown, expired or revoked.")
        source = source_of(request._request)
        touch(row, source)
        return actor_of(row, source), row

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return 'Bearer realm="mcp"'


def actor_of(row: ApiKey, source: str) -> Actor:
    """Who a key acts for. An operator's key counts only while its person is staff."""
    return Actor(
        label=f"{row.user.get_username()} (key {row.name})",
        account=row.account,
        role=row.role,
        scopes=tuple(row.scopes),
        user=row.user,
        api_key=row,
        source=source,
        is_operator=row.is_operator and row.user.is_staff,
    )


def source_of(request: HttpRequest) -> str:
    """The caller's address. Only behind a proxy of ours is the last hop that it saw believed."""
    if settings.BEHIND_PROXY:
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        if hops:
            return hops[-1][:64]
    return str(request.META.get("REMOTE_ADDR", ""))[:64]


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped library
    """How the OpenAPI document describes it."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A bearer token."""
        return {
            "type": "http", "scheme": "bearer",
            "description": "A key of an account, or of an operator for the paths under /operator/. It begins with mcp_.",
        }  # fmt: skip
