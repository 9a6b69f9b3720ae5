"""`/account/ssh-keys`: public keys that accelerators let in."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import find
from accounts.api.views import CustomerView, account, actor
from accounts.models import SshKey
from accounts.services.ssh_keys import add_ssh_key, remove_ssh_key
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.fields import StrictSerializer, Text
from mcp.api.filters import filtered, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed

ORDER = ("-created_at", "name")
FILTERS = {"name": text("name", "By name."), "fingerprint": text("fingerprint", "By fingerprint.")}


class SshKeyShape(serializers.Serializer[Any]):
    """A public key."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    public_key = serializers.CharField(help_text="Type and base64, without comment.")
    fingerprint = serializers.CharField(help_text="As ssh-keygen -l prints it.")
    created_at = serializers.DateTimeField()


class NewSshKey(StrictSerializer):
    """A key to let in."""

    public_key = Text(max_length=16_384, help_text="The content of a .pub file: ssh-ed25519 AAAA... comment")
    name = Text(max_length=64, required=False, default="", help_text="The key's comment unless told.")


def present_ssh_key(row: SshKey) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.pk, "name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint,
        "created_at": row.created_at,
    }  # fmt: skip


class SshKeysView(CustomerView):
    """`/account/ssh-keys`."""

    noun = "ssh_keys"

    @listing(SshKeyShape, "sshKeys", "SSH keys of the account", filters=FILTERS, order=ORDER, tags=["account"])
    def get(self, request: Request) -> Response:
        """New accelerators let all of these in unless told otherwise."""
        page = paged(request, filtered(request, SshKey.objects.filter(account=account(request)), FILTERS), ORDER)
        return Response(page.body([present_ssh_key(row) for row in page.rows]))

    @changing(NewSshKey, SshKeyShape, "addSshKey", "Add an SSH key", status=201, tags=["account"])
    def post(self, request: Request) -> Response:
        """Accelerators made from now on let it in."""
        body = parsed(NewSshKey, request)

        def perform() -> Outcome:
            row = add_ssh_key(actor=actor(request), **body)
            return Outcome(lambda: present_ssh_key(row), status=201, location=f"{API}/account/ssh-keys/{row.pk}")

        return carry_out(request, perform)


class SshKeyView(CustomerView):
    """`/account/ssh-keys/{id or name}`."""

    noun = "ssh_keys"

    @reading(SshKeyShape, "sshKey", "One SSH key", tags=["account"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or name, with its fingerprint."""
        return one(request, present_ssh_key(find(self.rows(request), ref, name="name", what="ssh key")))

    def rows(self, request: Request) -> Any:
        """The account's keys."""
        return SshKey.objects.filter(account=account(request))

    @changing(None, None, "removeSshKey", "Remove an SSH key", method="delete", status=204, tags=["account"])
    def delete(self, request: Request, ref: str) -> Response:
        """Accelerators that let it in go on doing so until they are rebuilt."""
        row = find(self.rows(request), ref, name="name", what="ssh key")

        def perform() -> Outcome:
            last = present_ssh_key(row)
            remove_ssh_key(actor=actor(request), row=row)
            return Outcome(lambda: None, status=204, preview=lambda: last)

        return carry_out(request, perform)
