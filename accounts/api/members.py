"""`/account/members`: people and their roles."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import find
from accounts.api.views import CustomerView, account, actor
from accounts.models import Membership
from accounts.permissions import Role
from accounts.services.members import add_member, change_role, remove_member
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import StrictSerializer, Text
from mcp.api.filters import filtered
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed

ORDER = ("created_at",)


class MemberShape(serializers.Serializer[Any]):
    """A person's role."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)
    created_at = serializers.DateTimeField()


class NewMember(StrictSerializer):
    """Who joins as what."""

    username = Text(max_length=150, help_text="How the person signs in; an operator adds people.")
    role = serializers.ChoiceField(choices=Role.choices)


class MemberEdit(StrictSerializer):
    """Another role."""

    role = serializers.ChoiceField(choices=Role.choices)


def present_member(row: Membership) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.pk, "username": row.user.get_username(), "email": row.user.email, "role": row.role,
        "created_at": row.created_at,
    }  # fmt: skip


class MembersView(CustomerView):
    """`/account/members`."""

    noun = "members"

    @listing(MemberShape, "members", "Members of the account", order=ORDER, tags=["account"])
    def get(self, request: Request) -> Response:
        """People with a role in the account."""
        rows = filtered(request, Membership.objects.filter(account=account(request)).select_related("user"), {})
        page = paged(request, rows, ORDER)
        return Response(page.body([present_member(row) for row in page.rows]))

    @changing(NewMember, MemberShape, "addMember", "Give a person a role", status=201, tags=["account"])
    def post(self, request: Request) -> Response:
        """The person must have a sign-in already. You can give no role that may do more than yours."""
        body = parsed(NewMember, request)

        def perform() -> Outcome:
            row = add_member(actor=actor(request), account=account(request), **body)
            return Outcome(lambda: present_member(row), status=201, location=f"{API}/account/members/{row.pk}")

        return carry_out(request, perform)


class MemberView(CustomerView):
    """`/account/members/{id or user name}`."""

    noun = "members"

    def row(self, request: Request, ref: str) -> Membership:
        """Raises NotFound."""
        rows = Membership.objects.filter(account=account(request)).select_related("user")
        return find(rows, ref, name="user__username", what="member")

    @reading(MemberShape, "member", "One member", tags=["account"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or user name, with the role."""
        return one(request, present_member(self.row(request, ref)))

    @changing(MemberEdit, MemberShape, "changeRole", "Change a role", method="patch", tags=["account"])
    def patch(self, request: Request, ref: str) -> Response:
        """The last owner stays owner. Keys that could do more than the new role are revoked."""
        row, body = self.row(request, ref), parsed(MemberEdit, request)
        demand_match(request, tag_of(present_member(row)))

        def perform() -> Outcome:
            changed = change_role(actor=actor(request), row=row, role=body["role"])
            return Outcome(lambda: present_member(changed), etag=tag_of)

        return carry_out(request, perform)

    @changing(None, None, "removeMember", "Take a person's role", method="delete", status=204, tags=["account"])
    def delete(self, request: Request, ref: str) -> Response:
        """Also ends the keys that this person made here."""
        row = self.row(request, ref)

        def perform() -> Outcome:
            last = present_member(row)
            remove_member(actor=actor(request), row=row)
            return Outcome(lambda: None, status=204, preview=lambda: last)

        return carry_out(request, perform)
