"""`/operator/allocations` and `/operator/capacity`: what is promised, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import OperatorView
from mcp.api.filters import filtered, identifier, named, text
from mcp.api.paging import paged
from mcp.api.schema import listing
from pods.api.hosts import RoomShape
from pods.models import Allocation, Pod
from pods.placement.request import DIMENSIONS
from pods.placement.runway import Growth
from pods.services.capacity import capacity_by_pod
from pods.services.runway import growth_by_pod, present_runway
from pods.states import PodState

ORDER = ("-created_at",)
FILTERS = {
    "pod": named("pod", Pod, "slug", "By pod."),
    "host": text("host__name", "By host name."),
    "account": identifier("account_id", "By account id."),
    "holder": identifier("holder_id", "By the id of the guest."),
}


class AllocationShape(serializers.Serializer[Any]):
    """A promise of a host's capacity to one guest."""

    id = serializers.UUIDField()
    holder = serializers.UUIDField(help_text="The accelerator.")
    account = serializers.UUIDField()
    pod = serializers.CharField()
    host = serializers.CharField()
    cpu_m = serializers.IntegerField()
    memory_mib = serializers.IntegerField()
    disk_gib = serializers.IntegerField()
    uid_slot = serializers.IntegerField()
    group = serializers.CharField()
    spread = serializers.CharField()
    created_at = serializers.DateTimeField()


class RunwayShape(serializers.Serializer[Any]):
    """How long a pod's free room lasts at the growth of the last weeks."""

    days = serializers.FloatField(allow_null=True, help_text="Until the first dimension is full; null if unknown or never.")
    ends_first = serializers.CharField(help_text="cpu, memory or disk; empty if none grows.")
    enough_history = serializers.BooleanField()
    sentence = serializers.CharField()
    history_days = serializers.FloatField()
    samples = serializers.IntegerField()
    per_day = serializers.DictField(child=serializers.FloatField(), allow_null=True, help_text="Growth by dimension.")
    history = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()), help_text="Pairs of days ago and share that was promised."
    )


class CapacityShape(serializers.Serializer[Any]):
    """A pod's sums."""

    pod = serializers.CharField()
    state = serializers.ChoiceField(choices=PodState.choices)
    hosts = serializers.IntegerField()
    taking_guests = serializers.IntegerField()
    guests = serializers.IntegerField()
    cpu_m = RoomShape()
    memory_mib = RoomShape()
    disk_gib = RoomShape()
    runway = RunwayShape()


class AllocationsView(OperatorView):
    """`/operator/allocations`."""

    @listing(AllocationShape, "allocations", "Promised capacity, guest by guest", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """One row a guest, newest first: what it was promised, on which host."""
        rows = filtered(request, Allocation.objects.select_related("host", "pod"), FILTERS)
        page = paged(request, rows, ORDER)
        return Response(page.body([_present(row) for row in page.rows]))


def _present(row: Allocation) -> dict[str, Any]:
    return {
        "id": row.pk, "holder": row.holder_id, "account": row.account_id, "pod": row.pod.slug, "host": row.host.name,
        "cpu_m": row.cpu_m, "memory_mib": row.memory_mib, "disk_gib": row.disk_gib, "uid_slot": row.uid_slot,
        "group": row.group.partition(":")[2], "spread": row.spread, "created_at": row.created_at,
    }  # fmt: skip


class CapacityView(OperatorView):
    """`/operator/capacity`."""

    @extend_schema(
        operation_id="capacity", summary="Capacity by pod", tags=["operator"],
        responses=inline_serializer("Capacity", {"results": CapacityShape(many=True)}),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """`free` counts only hosts that take guests now."""
        filtered(request, Allocation.objects.none(), {})
        growth = growth_by_pod()
        return Response({"results": [{**line, "runway": _runway(line, growth)} for line in capacity_by_pod()]})


def _runway(line: dict[str, Any], growth: Mapping[str, Growth]) -> dict[str, Any]:
    return present_runway(growth.get(line["pod"]), [line[dimension]["free"] for dimension in DIMENSIONS])
