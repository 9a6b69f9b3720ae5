"""`/pods`, and the operators' view of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import find
from accounts.api.views import CustomerView, OperatorView, actor
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import Flag, Number, StrictSerializer, Text
from mcp.api.filters import choice, filtered
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from pods.models import Network, Pod
from pods.services.edit_pod import edit_pod
from pods.services.enrol import NetworkWish, add_pod
from pods.services.sums import kinds_by_pod
from pods.states import PodState

ORDER = ("slug", "created_at")
FILTERS = {"state": choice("state", PodState.values, "By state.")}
NETWORK_FIELDS = ("cidr", "gateway", "range_first", "range_last", "bridge")


class PodShape(serializers.Serializer[Any]):
    """A place where accelerators run."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    location = serializers.CharField()
    state = serializers.ChoiceField(choices=PodState.choices, help_text="Only an open pod takes new accelerators.")
    kinds = serializers.ListField(child=serializers.CharField(), help_text="What its hosts can run: zone, vm.")


class NetworkShape(serializers.Serializer[Any]):
    """The guests' network of a pod."""

    slug = serializers.CharField()
    cidr = serializers.CharField()
    gateway = serializers.CharField(allow_null=True)
    range_first = serializers.CharField()
    range_last = serializers.CharField()
    bridge = serializers.CharField()


class OperatorPodShape(PodShape):
    """With what operators decide."""

    cpu_overcommit = serializers.FloatField()
    memory_overcommit = serializers.FloatField()
    disk_overcommit = serializers.FloatField()
    reserve_memory_mib = serializers.IntegerField()
    reserve_disk_gib = serializers.IntegerField()
    resolvers = serializers.ListField(child=serializers.CharField())
    dns_suffix = serializers.CharField()
    time_zone = serializers.CharField()
    queue = serializers.CharField()
    n_plus_one = serializers.BooleanField(help_text="Whether the loss of any one host must stay absorbable.")
    networks = NetworkShape(many=True)
    created_at = serializers.DateTimeField()


class PodEdit(StrictSerializer):
    """What may be changed of a pod."""

    name = Text(max_length=80, required=False, allow_blank=True)
    location = Text(max_length=80, required=False, allow_blank=True)
    state = serializers.ChoiceField(choices=PodState.choices, required=False)
    cpu_overcommit = serializers.FloatField(required=False, min_value=0.1, max_value=1000)
    memory_overcommit = serializers.FloatField(required=False, min_value=0.1, max_value=1000)
    disk_overcommit = serializers.FloatField(required=False, min_value=0.1, max_value=1000)
    reserve_memory_mib = Number(required=False, min_value=0, max_value=1_000_000_000)
    reserve_disk_gib = Number(required=False, min_value=0, max_value=1_000_000_000)
    resolvers = serializers.ListField(child=serializers.IPAddressField(protocol="IPv4"), required=False, max_length=3)
    dns_suffix = Text(max_length=120, required=False, allow_blank=True)
    time_zone = Text(max_length=64, required=False, help_text="In which its hosts' windows are meant, such as Europe/Amsterdam.")
    queue = Text(max_length=64, required=False)
    n_plus_one = Flag(required=False, help_text="Refuse guests whose arrival would leave no room for those of any one lost host.")


class NewPod(PodEdit):
    """A pod with its network."""

    slug = Text(max_length=24, help_text="2 to 24 of a-z, 0-9 and -; part of DNS names, never changes.")
    cidr = Text(max_length=18, help_text="The guests' network, such as 10.77.0.0/16.")
    gateway = serializers.IPAddressField(protocol="IPv4", required=False, allow_null=True)
    range_first = serializers.IPAddressField(protocol="IPv4", required=False, help_text="First address to give out.")
    range_last = serializers.IPAddressField(protocol="IPv4", required=False, help_text="Last address to give out.")
    bridge = Text(max_length=15, required=False, help_text="The bridge on every host; br0 unless told.")
    ssh_key = Text(
        required=False, default="", max_length=20_000, trim_whitespace=False,
        help_text="The private key that opens its hosts; kept sealed, never shown.",
    )  # fmt: skip


def kinds_of(pods: Iterable[Pod]) -> dict[UUID, list[str]]:
    """What each pod's hosts can run, as the sums over the fleet have it."""
    known = kinds_by_pod()
    return {pod.pk: known.get(pod.pk, []) for pod in pods}


def present_pod(row: Pod, kinds: list[str]) -> dict[str, Any]:
    """As customers see it."""
    return {
        "id": row.pk, "slug": row.slug, "name": row.name, "location": row.location, "state": row.state, "kinds": kinds,
    }  # fmt: skip


def present_pod_to_operator(row: Pod, kinds: list[str], networks: Iterable[Network]) -> dict[str, Any]:
    """As operators see it; the SSH key stays sealed."""
    return {
        **present_pod(row, kinds),
        "cpu_overcommit": row.cpu_overcommit, "memory_overcommit": row.memory_overcommit,
        "disk_overcommit": row.disk_overcommit, "reserve_memory_mib": row.reserve_memory_mib,
        "reserve_disk_gib": row.reserve_disk_gib, "resolvers": row.resolvers, "dns_suffix": row.dns_suffix,
        "time_zone": row.time_zone, "queue": row.queue, "n_plus_one": row.n_plus_one, "created_at": row.created_at,
        "networks": [{"slug": n.slug, **{name: getattr(n, name) for name in NETWORK_FIELDS}} for n in networks],
    }  # fmt: skip


def _whole(row: Pod) -> dict[str, Any]:
    return present_pod_to_operator(row, kinds_of([row]).get(row.pk, []), row.networks.all())


class PodsView(CustomerView):
    """`/pods`."""

    noun = "catalogue"

    @listing(PodShape, "pods", "Pods", filters=FILTERS, order=ORDER, tags=["catalogue"])
    def get(self, request: Request) -> Response:
        """Where accelerators can run."""
        page = paged(request, filtered(request, Pod.objects.exclude(state=PodState.CLOSED), FILTERS), ORDER)
        kinds = kinds_of(page.rows)
        return Response(page.body([present_pod(row, kinds.get(row.pk, [])) for row in page.rows]))


class PodView(CustomerView):
    """`/pods/{id or slug}`."""

    noun = "catalogue"

    @reading(PodShape, "pod", "One pod", tags=["catalogue"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or slug, with what its hosts can run."""
        row = find(Pod.objects.exclude(state=PodState.CLOSED), ref, name="slug", what="pod")
        return one(request, present_pod(row, kinds_of([row]).get(row.pk, [])))


class OperatorPodsView(OperatorView):
    """`/operator/pods`."""

    @listing(OperatorPodShape, "operatorPods", "All pods", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """With overcommit, reserves and networks."""
        page = paged(request, filtered(request, Pod.objects.prefetch_related("networks"), FILTERS), ORDER)
        kinds = kinds_of(page.rows)
        return Response(page.body([present_pod_to_operator(row, kinds.get(row.pk, []), row.networks.all()) for row in page.rows]))

    @changing(
        NewPod, OperatorPodShape, "addPod", "Add a pod", status=201, tags=["operator"],
        examples=[
            OpenApiExample("Minimal", {"slug": "ams1", "cidr": "10.77.0.0/16", "gateway": "10.77.0.1"}, request_only=True)
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """With its guests' network; hosts are added to it next."""
        body = parsed(NewPod, request)
        network = NetworkWish(**{name: body.pop(name) for name in NETWORK_FIELDS if name in body})

        def perform() -> Outcome:
            row = add_pod(actor=actor(request), network=network, **body)
            return Outcome(lambda: _whole(row), status=201, location=f"{API}/operator/pods/{row.slug}")

        return carry_out(request, perform)


class OperatorPodView(OperatorView):
    """`/operator/pods/{id or slug}`."""

    @reading(OperatorPodShape, "operatorPod", "One pod", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or slug, with what its hosts can run."""
        return one(request, _whole(find(Pod.objects.all(), ref, name="slug", what="pod")))

    @changing(PodEdit, OperatorPodShape, "editPod", "Change a pod", method="patch", tags=["operator"])
    def patch(self, request: Request, ref: str) -> Response:
        """Overcommit and reserves reach each host with its next probe."""
        row, body = find(Pod.objects.all(), ref, name="slug", what="pod"), parsed(PodEdit, request)
        demand_match(request, tag_of(_whole(row)))

        def perform() -> Outcome:
            changed = edit_pod(actor=actor(request), pod=row, **body)
            return Outcome(lambda: _whole(changed), etag=tag_of)

        return carry_out(request, perform)
