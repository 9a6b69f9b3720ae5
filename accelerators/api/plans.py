"""`/plans`, and the operators' view of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accelerators.models import Plan
from accelerators.services.add_plan import add_plan
from accelerators.services.edit_plan import edit_plan
from accounts.api.lookup import find
from accounts.api.views import CustomerView, OperatorView, actor
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.fields import Flag, Number, StrictSerializer, Text
from mcp.api.filters import choice, filtered, flag
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed

ORDER = ("position", "memory_mib", "price_monthly", "slug")
FILTERS = {"kind": choice("kind", ("zone", "vm"), "By kind.")}
OPERATOR_FILTERS = {**FILTERS, "active": flag("active", "Whether it is sold.")}
MOST = Decimal("99999999")


class PriceShape(serializers.Serializer[Any]):
    """Money: decimal strings. Billed by the second, never more than the month's price a month."""

    hourly = serializers.CharField()
    monthly = serializers.CharField()
    yearly = serializers.CharField(help_text="Prepaid.")
    currency = serializers.CharField()


class PlanShape(serializers.Serializer[Any]):
    """A size and its price."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["zone", "vm"])
    memory_mib = serializers.IntegerField()
    vcpus = serializers.CharField(help_text="A decimal; 0.25 is a quarter of a processor.")
    disk_gib = serializers.IntegerField()
    processes = serializers.IntegerField(help_text="At most so many processes and threads.")
    preemptible = serializers.BooleanField(
        help_text="Uses what is idle, at a lower price; stopped with notice when a firm plan needs the room or lending ends."
    )  # fmt: skip
    comes_back = serializers.BooleanField(help_text="Whether what was preempted starts again by itself when there is room.")
    price = PriceShape()


class OperatorPlanShape(PlanShape):
    """With what operators decide."""

    active = serializers.BooleanField()
    position = serializers.IntegerField()
    required_traits = serializers.ListField(child=serializers.CharField())
    forbidden_traits = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()


class PlanEdit(StrictSerializer):
    """What may be changed: what was sold keeps its size, so sizes stay."""

    name = Text(max_length=80, required=False)
    price_hourly = serializers.DecimalField(12, 4, required=False, min_value=Decimal(0), max_value=MOST)
    price_monthly = serializers.DecimalField(12, 2, required=False, min_value=Decimal(0), max_value=MOST)
    price_yearly = serializers.DecimalField(12, 2, required=False, min_value=Decimal(0), max_value=MOST)
    active = Flag(required=False, help_text="false: not sold any more; what runs of it goes on.")
    position = Number(required=False, min_value=0, max_value=32_000)
    preemptible = Flag(required=False, help_text="Of what is made from now on; what exists stays as it is.")
    comes_back = Flag(required=False, help_text="For a preemptible plan: start again by itself when there is room.")
    required_traits = serializers.ListField(child=Text(), required=False, help_text="Only hosts that have all of these.")
    forbidden_traits = serializers.ListField(child=Text(), required=False, help_text="No host that has one of these.")


class NewPlan(PlanEdit):
    """A plan to sell."""

    slug = Text(max_length=48)
    name = Text(max_length=80)
    kind = serializers.ChoiceField(choices=["zone", "vm"], required=False)
    memory_mib = Number(min_value=16, max_value=100_000_000)
    vcpus = serializers.DecimalField(6, 2, min_value=Decimal("0.05"), max_value=Decimal(1024))
    disk_gib = Number(min_value=1, max_value=10_000_000)
    processes = Number(min_value=16, max_value=4_000_000, required=False)
    price_hourly = serializers.DecimalField(12, 4, min_value=Decimal(0), max_value=MOST)
    price_monthly = serializers.DecimalField(12, 2, min_value=Decimal(0), max_value=MOST)
    price_yearly = serializers.DecimalField(12, 2, min_value=Decimal(0), max_value=MOST)
    currency = Text(min_length=3, max_length=3, required=False)


def present_plan(row: Plan) -> dict[str, Any]:
    """As customers see it."""
    return {
        "id": row.pk, "slug": row.slug, "name": row.name, "kind": row.kind, "memory_mib": row.memory_mib,
        "vcpus": str(row.vcpus), "disk_gib": row.disk_gib, "processes": row.processes, "preemptible": row.preemptible,
        "comes_back": row.comes_back, "price": row.price,
    }  # fmt: skip


def present_plan_to_operator(row: Plan) -> dict[str, Any]:
    """As operators see it."""
    return {
        **present_plan(row), "active": row.active, "position": row.position, "required_traits": row.required_traits,
        "forbidden_traits": row.forbidden_traits, "created_at": row.created_at,
    }  # fmt: skip


class PlansView(CustomerView):
    """`/plans`."""

    noun = "catalogue"

    @listing(PlanShape, "plans", "Plans", filters=FILTERS, order=ORDER, tags=["catalogue"])
    def get(self, request: Request) -> Response:
        """What can be bought, from the smallest up."""
        page = paged(request, filtered(request, Plan.objects.filter(active=True), FILTERS), ORDER)
        return Response(page.body([present_plan(row) for row in page.rows]))


class PlanView(CustomerView):
    """`/plans/{id or slug}`."""

    noun = "catalogue"

    @reading(PlanShape, "plan", "One plan", tags=["catalogue"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or slug; also one that is not sold any more."""
        return one(request, present_plan(find(Plan.objects.all(), ref, name="slug", what="plan")))


class OperatorPlansView(OperatorView):
    """`/operator/plans`."""

    @listing(OperatorPlanShape, "operatorPlans", "All plans", filters=OPERATOR_FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """Also those that are not sold."""
        page = paged(request, filtered(request, Plan.objects.all(), OPERATOR_FILTERS), ORDER)
        return Response(page.body([present_plan_to_operator(row) for row in page.rows]))

    @changing(
        NewPlan, OperatorPlanShape, "addPlan", "Sell a new plan", status=201, tags=["operator"],
        examples=[
            OpenApiExample(
                "Small",
                {
                    "slug": "zone-384m", "name": "3/8 GiB", "memory_mib": 384, "vcpus": "1", "disk_gib": 8,
                    "price_hourly": "0.0400", "price_monthly": "29.00", "price_yearly": "290.00",
                },
                request_only=True,
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Its size is fixed from then on."""
        body = parsed(NewPlan, request)

        def perform() -> Outcome:
            row = add_plan(actor=actor(request), **body)
            return Outcome(lambda: present_plan_to_operator(row), status=201, location=f"{API}/operator/plans/{row.slug}")

        return carry_out(request, perform)


class OperatorPlanView(OperatorView):
    """`/operator/plans/{id or slug}`."""

    @reading(OperatorPlanShape, "operatorPlan", "One plan", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or slug, with whether it is sold."""
        return one(request, present_plan_to_operator(find(Plan.objects.all(), ref, name="slug", what="plan")))

    @changing(PlanEdit, OperatorPlanShape, "editPlan", "Change a plan", method="patch", tags=["operator"])
    def patch(self, request: Request, ref: str) -> Response:
        """Name, price, order, whether it is sold, and whether what is made of it from now on is preemptible."""
        row, body = find(Plan.objects.all(), ref, name="slug", what="plan"), parsed(PlanEdit, request)
        demand_match(request, tag_of(present_plan_to_operator(row)))

        def perform() -> Outcome:
            changed = edit_plan(actor=actor(request), plan=row, **body)
            return Outcome(lambda: present_plan_to_operator(changed), etag=tag_of)

        return carry_out(request, perform)
