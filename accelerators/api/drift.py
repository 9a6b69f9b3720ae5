"""`/operator/drift`: what was found different from what is wanted, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accelerators.services.drift import adopt, ignore, restore
from accounts.api.lookup import as_id
from accounts.api.views import OperatorView, actor
from mcp.api.changes import Outcome, carry_out
from mcp.api.fields import EmptySerializer
from mcp.api.filters import choice, filtered, identifier, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import NotFound
from mcp.operations.models import Operation
from pods.models import DriftFinding
from pods.states import FindingKind, FindingState

ORDER = ("-last_seen_at", "first_seen_at")
FILTERS = {
    "state": choice("state", FindingState.values, "By state."),
    "kind": choice("kind", FindingKind.values, "By kind."),
    "host": text("host__name", "By host name."),
    "pod": text("host__pod__slug", "By pod."),
    "account": identifier("account_id", "By account id."),
    "target": identifier("target_id", "By accelerator id."),
}


class FindingShape(serializers.Serializer[Any]):
    """One difference."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=FindingKind.choices)
    state = serializers.ChoiceField(choices=FindingState.choices)
    host = serializers.CharField()
    pod = serializers.CharField()
    guest_name = serializers.CharField(help_text="What the host calls it.")
    target = serializers.UUIDField(allow_null=True)
    target_name = serializers.CharField()
    account = serializers.UUIDField(allow_null=True)
    wanted = serializers.JSONField()
    found = serializers.JSONField()
    sentence = serializers.CharField()
    times_seen = serializers.IntegerField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField()
    operation = serializers.UUIDField(allow_null=True)


def present_finding(row: DriftFinding) -> dict[str, Any]:
    """As the API shows it. `row.host.pod` is read."""
    return {
        "id": row.pk, "kind": row.kind, "state": row.state, "host": row.host.name, "pod": row.host.pod.slug,
        "guest_name": row.guest_name, "target": row.target_id, "target_name": row.target_name, "account": row.account_id,
        "wanted": row.wanted, "found": row.found, "sentence": row.sentence, "times_seen": row.times_seen,
        "first_seen_at": row.first_seen_at, "last_seen_at": row.last_seen_at, "decided_at": row.decided_at,
        "decided_by": row.decided_by, "operation": row.operation_id,
    }  # fmt: skip


def _rows() -> QuerySet[DriftFinding]:
    return DriftFinding.objects.select_related("host__pod")


def _find(ref: str) -> DriftFinding:
    key = as_id(ref)
    row = _rows().filter(pk=key).first() if key is not None else None
    if row is None:
        raise NotFound(f"There is no finding {ref[:80]!r}.")
    return row


class DriftView(OperatorView):
    """`/operator/drift`."""

    @listing(FindingShape, "drift", "Differences found", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """`?state=open` is what waits for a decision."""
        page = paged(request, filtered(request, _rows(), FILTERS), ORDER)
        return Response(page.body([present_finding(row) for row in page.rows]))


class FindingView(OperatorView):
    """`/operator/drift/{id}`."""

    @reading(FindingShape, "finding", "One difference", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """What was wanted, what was found, how often, and what was decided."""
        return one(request, present_finding(_find(ref)))


class DecisionView(OperatorView):
    """The three decisions."""

    decide: ClassVar[tuple[Callable[..., DriftFinding]]]  # in a tuple, so that it does not become a method

    def answer(self, request: Request, ref: str) -> Response:
        """Raises NotFound, Conflict."""
        parsed(EmptySerializer, request)
        row, decide = _find(ref), self.decide[0]

        def perform() -> Outcome:
            decided = decide(actor=actor(request), finding_id=row.pk)
            operations = list(Operation.objects.filter(pk=decided.operation_id)) if decided.operation_id else []
            where = f"/api/v1/operator/operations/{decided.operation_id}" if operations else ""
            return Outcome(
                lambda: present_finding(_find(ref)), status=202 if operations else 200, location=where, operations=operations
            )

        return carry_out(request, perform)


class AdoptView(DecisionView):
    """`/adopt`."""

    decide = (adopt,)

    @changing(EmptySerializer, FindingShape, "adoptFinding", "Make what was found the wish", takes_time=True, tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """The power state as it is; a missing guest as deleted."""
        return self.answer(request, ref)


class RestoreView(DecisionView):
    """`/restore`."""

    decide = (restore,)

    @changing(EmptySerializer, FindingShape, "restoreFinding", "Bring the host back to the wish", takes_time=True,
              tags=["operator"])  # fmt: skip
    def post(self, request: Request, ref: str) -> Response:
        """Start or stop, apply limits, or build a missing guest anew, empty."""
        return self.answer(request, ref)


class IgnoreView(DecisionView):
    """`/ignore`."""

    decide = (ignore,)

    @changing(EmptySerializer, FindingShape, "ignoreFinding", "Leave it as it is", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """Not shown as open any more; it resolves itself when it goes away."""
        return self.answer(request, ref)
