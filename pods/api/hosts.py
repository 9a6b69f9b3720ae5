"""`/operator/hosts`: enrol machines and say what is wanted of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import find
from accounts.api.views import OperatorView, actor
from accounts.models import Account
from mcp.api.changes import API, Outcome, carry_out, replayed
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import EmptySerializer, Number, StrictSerializer, Text
from mcp.api.filters import choice, filtered, flag, named, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import InvalidInput
from pods.gear.registry import DRIVERS
from pods.models import Host, Pod
from pods.placement.request import DIMENSIONS
from pods.services.duty import set_duty
from pods.services.edit_host import edit_host
from pods.services.enrol import HostWish, add_host, look_at, probe_host, reprobe_host
from pods.states import HostDuty, HostState, SpotUse

ORDER = ("name", "created_at")
FILTERS = {
    "pod": named("pod", Pod, "slug", "By pod."),
    "duty": choice("duty", HostDuty.values, "By duty."),
    "reachable": flag("reachable", "Whether it answers."),
    "name": text("name", "By name."),
}


class RoomShape(serializers.Serializer[Any]):
    """One dimension of a host's capacity."""

    cap = serializers.IntegerField(help_text="What may be promised: machine x overcommit - reserve.")
    used = serializers.IntegerField(help_text="What is promised.")
    free = serializers.IntegerField()


class HostShape(serializers.Serializer[Any]):
    """A machine that runs guests."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    pod = serializers.CharField()
    state = serializers.ChoiceField(choices=HostState.choices)
    duty = serializers.ChoiceField(choices=HostDuty.choices)
    duty_reason = serializers.CharField()
    reachable = serializers.BooleanField()
    driver = serializers.CharField()
    address = serializers.CharField()
    port = serializers.IntegerField()
    user = serializers.CharField()
    host_key = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    traits = serializers.ListField(child=serializers.CharField())
    spot = serializers.ChoiceField(choices=SpotUse.choices, help_text="When it lends idle room to preemptible accelerators.")
    spot_windows = serializers.ListField(child=serializers.CharField(), help_text="In its pod's time zone.")
    spot_cpu_m = serializers.IntegerField(help_text="What preemptible accelerators use now, on top of what is promised.")
    spot_memory_mib = serializers.IntegerField()
    exclusive_account = serializers.CharField(
        allow_null=True, help_text="The one account whose guests it takes; null: everybody's."
    )
    guests = serializers.IntegerField()
    cpu_m = RoomShape(help_text="Thousandths of a processor.")
    memory_mib = RoomShape()
    disk_gib = RoomShape()
    facts = serializers.JSONField(help_text="What the last probe found.")
    last_error = serializers.CharField()
    last_seen_at = serializers.DateTimeField(allow_null=True)
    probed_at = serializers.DateTimeField(allow_null=True)
    inventory_at = serializers.DateTimeField(allow_null=True)
    mishaps = serializers.IntegerField(help_text="Guests that failed on it, until they are forgotten.")
    mishap_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class NewHost(StrictSerializer):
    """A machine that answers SSH. With ?dry_run=true it is looked at, and nothing is recorded."""

    address = Text(max_length=255)
    pod = Text(max_length=36, help_text="Slug or id.")
    name = Text(max_length=63, required=False, default="")
    port = Number(required=False, default=22, min_value=1, max_value=65535)
    user = Text(max_length=32, required=False, default="root")
    driver = serializers.ChoiceField(choices=sorted(DRIVERS), required=False, help_text="lxc unless told.")
    host_key = Text(max_length=4096, required=False, default="", help_text="Pinned; what it shows now unless told.")
    options = serializers.DictField(required=False, help_text="The driver's own.")


class HostEdit(StrictSerializer):
    """What may be changed of a host."""

    name = Text(max_length=63, required=False)
    address = Text(max_length=255, required=False)
    port = Number(required=False, min_value=1, max_value=65535)
    user = Text(max_length=32, required=False)
    host_key = Text(max_length=4096, required=False)
    traits = serializers.ListField(child=Text(), required=False, help_text="What it has: words that plans and images ask for.")
    exclusive_account = Text(
        max_length=64, required=False, allow_blank=True, allow_null=True,
        help_text="The slug of the one account whose guests it takes; null for everybody's. Guests that it holds stay.",
    )  # fmt: skip
    options = serializers.DictField(required=False)
    spot = serializers.ChoiceField(
        choices=SpotUse.choices, required=False, help_text="When it lends idle room to preemptible accelerators."
    )  # fmt: skip
    spot_windows = serializers.ListField(
        child=Text(max_length=64), required=False, max_length=14,
        help_text='For spot=windows, such as "mon-fri 19:00-07:00" or "daily 00:00-24:00", in its pod\'s time zone.',
    )  # fmt: skip


class DutyReason(StrictSerializer):
    """Why, for whoever looks next."""

    reason = Text(max_length=200, required=False, default="", allow_blank=True)


def hosts() -> QuerySet[Any]:
    """With their pods, and the slug of the account that has one for itself: one query."""
    slug = Account.objects.filter(pk=OuterRef("exclusive_account_id")).values("slug")[:1]
    return Host.objects.select_related("pod").annotate(exclusive_account=Subquery(slug))


def present_host(row: Any) -> dict[str, Any]:
    """As the API shows it; rows come from `hosts`."""
    rooms = {
        dimension: {"cap": cap, "used": used, "free": cap - used}
        for dimension in DIMENSIONS
        for cap, used in [(getattr(row, f"cap_{dimension}"), getattr(row, f"used_{dimension}"))]
    }
    return {
        "id": row.pk, "name": row.name, "pod": row.pod.slug, "state": row.state.value, "duty": row.duty,
        "duty_reason": row.duty_reason, "reachable": row.reachable, "driver": row.driver, "address": row.address,
        "port": row.port, "user": row.user, "host_key": row.host_key, "kinds": row.kinds, "traits": row.traits,
        "spot": row.spot, "spot_windows": row.spot_windows, "spot_cpu_m": row.spot_cpu_m,
        "spot_memory_mib": row.spot_memory_mib, "exclusive_account": row.exclusive_account, "guests": row.guests, **rooms,
        "facts": row.facts, "last_error": row.last_error, "last_seen_at": row.last_seen_at, "probed_at": row.probed_at,
        "inventory_at": row.inventory_at, "mishaps": row.mishaps, "mishap_at": row.mishap_at, "created_at": row.created_at,
    }  # fmt: skip


def _fresh(row: Host) -> dict[str, Any]:
    return present_host(hosts().get(pk=row.pk))


def find_host_row(ref: str) -> Any:
    """By id, or by a name that only one host has; retired hosts by id only where a name is used again."""
    rows = hosts()
    live = rows.exclude(duty=HostDuty.RETIRED)
    return find(live if live.filter(name=ref).exists() else rows, ref, name="name", what="host")


class HostsView(OperatorView):
    """`/operator/hosts`."""

    @listing(HostShape, "hosts", "Hosts", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """All hosts, retired ones included, ordered by name."""
        page = paged(request, filtered(request, hosts(), FILTERS), ORDER)
        return Response(page.body([present_host(row) for row in page.rows]))

    @changing(
        NewHost, HostShape, "addHost", "Enrol a host", status=201, tags=["operator"],
        examples=[OpenApiExample("Over SSH", {"address": "192.0.2.11", "pod": "ams1", "name": "h1"}, request_only=True)],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Looks at the machine, pins its host key and records what it can hold. What it lacks is named with its package."""
        body = parsed(NewHost, request)
        pod = Pod.objects.filter(slug=body["pod"]).first()
        if pod is None:
            raise InvalidInput.on("pod", f"there is no pod {body['pod'][:80]!r}; add it first.", "unknown")
        wish = HostWish(**{**body, "pod": pod})
        again = replayed(request)
        if again is not None:
            return again
        found = probe_host(wish)  # before the transaction: a machine may take its time

        def perform() -> Outcome:
            row = add_host(actor=actor(request), wish=wish, found=found)
            return Outcome(
                lambda: _fresh(row), status=201, location=f"{API}/operator/hosts/{row.pk}",
                steps=["Look at the machine", "Pin its host key", "Record what it can hold"],
            )  # fmt: skip

        return carry_out(request, perform)


class HostView(OperatorView):
    """`/operator/hosts/{id or name}`."""

    @reading(HostShape, "host", "One host", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """By id, or by name where only one pod has it."""
        return one(request, present_host(find_host_row(ref)))

    @changing(HostEdit, HostShape, "editHost", "Change a host", method="patch", tags=["operator"])
    def patch(self, request: Request, ref: str) -> Response:
        """Name, address and access, traits, and whose guests it takes. Duty has its own verbs."""
        row, body = find_host_row(ref), parsed(HostEdit, request)
        if "exclusive_account" in body:
            body["exclusive_account"] = body["exclusive_account"] or ""
        demand_match(request, tag_of(present_host(row)))

        def perform() -> Outcome:
            changed = edit_host(actor=actor(request), host=row, **body)
            return Outcome(lambda: _fresh(changed), etag=tag_of)

        return carry_out(request, perform)


class DutyView(OperatorView):
    """The verbs that change a host's duty."""

    duty: ClassVar[HostDuty]

    def answer(self, request: Request, ref: str) -> Response:
        """Raises NotFound, Conflict, HostBusy."""
        row, body = find_host_row(ref), parsed(DutyReason, request)

        def perform() -> Outcome:
            changed = set_duty(actor=actor(request), host=row, duty=self.duty, reason=body["reason"])
            return Outcome(lambda: _fresh(changed))

        return carry_out(request, perform)


class DrainView(DutyView):
    """`/operator/hosts/{id}/drain`."""

    duty = HostDuty.DRAINING

    @changing(DutyReason, HostShape, "drainHost", "Take no new guests", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """Guests stay until they are deleted or moved."""
        return self.answer(request, ref)


class ResumeView(DutyView):
    """`/operator/hosts/{id}/resume`."""

    duty = HostDuty.ACTIVE

    @changing(DutyReason, HostShape, "resumeHost", "Take new guests again", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """After draining or maintenance."""
        return self.answer(request, ref)


class MaintenanceView(DutyView):
    """`/operator/hosts/{id}/maintenance`."""

    duty = HostDuty.MAINTENANCE

    @changing(DutyReason, HostShape, "maintainHost", "Under maintenance", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """Takes no new guests; whether it answers is expected to change."""
        return self.answer(request, ref)


class RetireView(DutyView):
    """`/operator/hosts/{id}/retire`."""

    duty = HostDuty.RETIRED

    @changing(DutyReason, HostShape, "retireHost", "Retire a host for good", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """Only without guests, and out of service first. Enrol the machine again to use it again."""
        return self.answer(request, ref)


class ProbeView(OperatorView):
    """`/operator/hosts/{id}/probe`."""

    @changing(EmptySerializer, HostShape, "probeHost", "Look at a host again", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """Records what changed; capacity never falls below what is promised already."""
        parsed(EmptySerializer, request)
        row = find_host_row(ref)
        again = replayed(request)
        if again is not None:
            return again
        facts = look_at(row)  # before the transaction: a machine may take its time

        def perform() -> Outcome:
            reprobe_host(actor=actor(request), host=row, facts=facts)
            return Outcome(lambda: _fresh(row), steps=["Look at the machine", "Record what it can hold"])

        return carry_out(request, perform)
