"""`/operator/audit`: who did what, from where."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import OperatorView
from mcp.api.filters import filtered, identifier, moment, text
from mcp.api.paging import paged
from mcp.api.schema import listing
from mcp.events.models import AuditEntry

FILTERS = {
    "account": identifier("account_id", "By account id."),
    "action": text("action", "By action, such as host.add."),
    "actor": text("actor", "By actor, as shown."),
    "target": text("target_id", "By the id of what was changed."),
    "request": text("request_id", "By request id."),
    "operation": identifier("operation_id", "By operation id."),
    "since": moment("at__gte", "Not before this time."),
}
ORDER = ("-id",)


class AuditShape(serializers.Serializer[Any]):
    """One accepted change."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    account = serializers.UUIDField(allow_null=True)
    source = serializers.CharField(  # type: ignore[assignment]  # stubs: the class attribute of that name is typed otherwise
        help_text="The caller's address, or the command line."
    )
    request_id = serializers.CharField()
    action = serializers.CharField()
    target = serializers.JSONField()
    operation = serializers.UUIDField(allow_null=True)
    changes = serializers.JSONField()


def present_entry(row: AuditEntry) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.pk, "at": row.at, "actor": row.actor, "account": row.account_id, "source": row.source,
        "request_id": row.request_id, "action": row.action,
        "target": {"type": row.target_type, "id": row.target_id, "name": row.target_name},
        "operation": row.operation_id, "changes": row.changes,
    }  # fmt: skip


class AuditView(OperatorView):
    """`/operator/audit`."""

    @listing(AuditShape, "audit", "The audit trail", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """Every accepted change, newest first: who, from where, what was before and after."""
        page = paged(request, filtered(request, AuditEntry.objects.all(), FILTERS), ORDER)
        return Response(page.body([present_entry(row) for row in page.rows]))
