"""`/operator/maintenance`: windows in which hosts are worked on, announced to everybody who has something there."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import as_id, find
from accounts.api.views import OperatorView, actor
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.fields import EmptySerializer, StrictSerializer, Text
from mcp.api.filters import choice, filtered, moment, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import InvalidInput, NotFound
from pods.api.hosts import find_host_row
from pods.models import Host, MaintenanceWindow, Pod
from pods.services.move_words import present_window
from pods.services.windows import cancel_window, plan_window
from pods.states import HostDuty, WindowState

ORDER = ("-starts_at", "created_at")
FILTERS = {
    "state": choice("state", WindowState.values, "By state."),
    "pod": text("pod__slug", "By pod; windows of its hosts, too."),
    "host": text("host__name", "By host name."),
    "ends_after": moment("ends_at__gt", "Those that end later than this."),
}
DUTIES = [HostDuty.MAINTENANCE.value, HostDuty.DRAINING.value]


class WindowShape(serializers.Serializer[Any]):
    """A maintenance window."""

    id = serializers.UUIDField()
    pod = serializers.CharField()
    host = serializers.CharField(allow_null=True, help_text="None: all hosts of the pod.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    duty = serializers.ChoiceField(choices=DUTIES, help_text="What its hosts' duty is while it is open.")
    reason = serializers.CharField()
    state = serializers.ChoiceField(choices=WindowState.choices)
    actor = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class NewWindow(StrictSerializer):
    """A window for a host or a pod: name one of them."""

    host = Text(max_length=64, required=False, help_text="Name or id.")
    pod = Text(max_length=36, required=False, help_text="Slug or id: all its hosts.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    reason = Text(max_length=200, help_text="What is done. Customers read it.")
    duty = serializers.ChoiceField(choices=DUTIES, required=False, default="maintenance")


def _rows() -> Any:
    return MaintenanceWindow.objects.select_related("host", "pod")


def _find(ref: str) -> MaintenanceWindow:
    key = as_id(ref)
    row: MaintenanceWindow | None = _rows().filter(pk=key).first() if key is not None else None
    if row is None:
        raise NotFound(f"There is no maintenance window {ref[:80]!r}.")
    return row


def _place(body: dict[str, Any]) -> Host | Pod:
    """The one that is named. Raises InvalidInput, NotFound."""
    host, pod = body.pop("host", ""), body.pop("pod", "")
    if bool(host) == bool(pod):
        raise InvalidInput.on("host", "name a host, or a pod, and not both.")
    return find_host_row(host) if host else find(Pod.objects.all(), pod, name="slug", what="pod")


class WindowsView(OperatorView):
    """`/operator/maintenance`."""

    @listing(WindowShape, "maintenanceWindows", "Maintenance windows", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """The latest first."""
        page = paged(request, filtered(request, _rows(), FILTERS), ORDER)
        return Response(page.body([present_window(row) for row in page.rows]))

    @changing(
        NewWindow, WindowShape, "planMaintenance", "Plan a maintenance window", status=201, tags=["operator"],
        examples=[
            OpenApiExample(
                "New fans",
                {"host": "h1", "starts_at": "2026-12-01T08:00:00Z", "ends_at": "2026-12-01T09:00:00Z", "reason": "New fans."},
                request_only=True,
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Announced at once on the timeline of every accelerator there; kept by the clock."""
        body = parsed(NewWindow, request)
        body["duty"] = HostDuty(body["duty"])
        place = _place(body)

        def perform() -> Outcome:
            row = plan_window(actor=actor(request), place=place, **body)
            return Outcome(lambda: present_window(row), status=201, location=f"{API}/operator/maintenance/{row.pk}")

        return carry_out(request, perform)


class WindowView(OperatorView):
    """`/operator/maintenance/{id}`."""

    @reading(WindowShape, "maintenanceWindow", "One maintenance window", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """With its state."""
        return one(request, present_window(_find(ref)))


class CancelWindowView(OperatorView):
    """`/operator/maintenance/{id}/cancel`."""

    @changing(EmptySerializer, WindowShape, "cancelMaintenance", "Call a maintenance window off", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """One that is open ends now: its hosts go back to what they were."""
        parsed(EmptySerializer, request)
        row = _find(ref)

        def perform() -> Outcome:
            changed = cancel_window(actor=actor(request), window=row)
            return Outcome(lambda: present_window(changed))

        return carry_out(request, perform)
