"""`/operator/refusals`: requests for which there was no room, and why."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import as_id
from accounts.api.views import OperatorView
from accounts.models import Account
from mcp.api.filters import choice, filtered, identifier, moment
from mcp.api.paging import paged
from mcp.api.schema import listing, reading
from mcp.api.views import one
from mcp.errors import NotFound
from pods.models import Refusal
from pods.services.refusals import REFUSED

ORDER = ("-created_at",)
FILTERS = {
    "account": identifier("account_id", "By account id."),
    "code": choice("code", [kind.code for kind in REFUSED], "By error code."),
    "since": moment("created_at__gte", "Refused at this time or later."),
}


class PlacementForms(serializers.Serializer[Any]):
    """An explanation as operators and as customers read it."""

    operator = serializers.JSONField(help_text="With host names, the best hosts' scores, and the nearest misses.")
    customer = serializers.JSONField(help_text="As it was answered: reasons, counts and advice.")


class RefusalShape(serializers.Serializer[Any]):
    """A request that found no room."""

    id = serializers.UUIDField()
    account = serializers.UUIDField(allow_null=True)
    account_slug = serializers.CharField(allow_null=True)
    actor = serializers.CharField()
    code = serializers.CharField(help_text="The error's code.")
    sentence = serializers.CharField(help_text="The error's detail, as the customer read it.")
    request = serializers.JSONField(help_text="What was asked: plan, image, pod, count, group, spread and so on.")
    placement = PlacementForms()
    created_at = serializers.DateTimeField()


def with_slugs(rows: QuerySet[Refusal]) -> QuerySet[Any]:
    """Each row with its account's slug, in the same query."""
    slug = Account.objects.filter(pk=OuterRef("account_id")).values("slug")[:1]
    return rows.annotate(account_slug=Subquery(slug))


def present_refusal(row: Any) -> dict[str, Any]:
    """Everything; rows come from `with_slugs`."""
    return {
        "id": row.pk, "account": row.account_id, "account_slug": row.account_slug, "actor": row.actor, "code": row.code,
        "sentence": row.sentence, "request": row.request,
        "placement": {form: row.placement.get(form, {}) for form in ("operator", "customer")}, "created_at": row.created_at,
    }  # fmt: skip


class RefusalsView(OperatorView):
    """`/operator/refusals`."""

    @listing(RefusalShape, "refusals", "Requests that found no room", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """Newest first: who asked for what, which code it was, and the whole explanation. Kept for a while only."""
        page = paged(request, filtered(request, with_slugs(Refusal.objects.all()), FILTERS), ORDER)
        return Response(page.body([present_refusal(row) for row in page.rows]))


class RefusalView(OperatorView):
    """`/operator/refusals/{id}`."""

    @reading(RefusalShape, "refusal", "One refused request", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """With both explanations: the operator's with host names, and what the customer was told."""
        key = as_id(ref)
        row = with_slugs(Refusal.objects.filter(pk=key)).first() if key is not None else None
        if row is None:
            raise NotFound(f"There is no refusal {ref[:80]!r}; they are kept for a while only.")
        return one(request, present_refusal(row))
