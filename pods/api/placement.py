"""`/operator/placement/weights`: how much each score term counts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import OperatorView, actor
from mcp.api.changes import Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import Real, StrictSerializer
from mcp.api.filters import filtered
from mcp.api.schema import changing, reading
from mcp.api.views import one, parsed
from pods.models import PlacementWeight
from pods.placement.scores import TERMS
from pods.services.weights import described_weights, set_weights


class WeightShape(serializers.Serializer[Any]):
    """One score term."""

    term = serializers.CharField()
    meaning = serializers.CharField(help_text="When a host scores high on it.")
    default = serializers.FloatField()
    weight = serializers.FloatField(help_text="In force; 0 takes the term out.")
    changed = serializers.BooleanField(help_text="Whether an operator set it.")


class WeightsShape(serializers.Serializer[Any]):
    """All score terms."""

    results = WeightShape(many=True)


class WeightsEdit(StrictSerializer):
    """Terms with their new weights; what is left out stays."""

    def get_fields(self) -> dict[str, Any]:
        """One a term."""
        return {term: Real(required=False, allow_null=True, help_text=text) for term, text in TERMS.items()}


def _all() -> dict[str, Any]:
    return {"results": described_weights()}


class WeightsView(OperatorView):
    """`/operator/placement/weights`."""

    @reading(WeightsShape, "placementWeights", "How much each score term counts", tags=["operator"])
    def get(self, request: Request) -> Response:
        """Each term with its meaning, its default and its weight."""
        filtered(request, PlacementWeight.objects.none(), {})
        return one(request, _all())

    @changing(WeightsEdit, WeightsShape, "setPlacementWeights", "Change weights", method="patch", tags=["operator"])
    def patch(self, request: Request) -> Response:
        """0 to 100; null goes back to the default. New decisions follow within a second, in every process."""
        body = parsed(WeightsEdit, request)
        demand_match(request, tag_of(_all()))

        def perform() -> Outcome:
            set_weights(actor=actor(request), weights=body)
            return Outcome(_all, etag=tag_of)

        return carry_out(request, perform)
