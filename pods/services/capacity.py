"""How much is promised and how much is left, by pod."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, Sum

from pods.models import Host
from pods.placement.request import DIMENSIONS
from pods.states import HostDuty, PodState


def capacity_by_pod() -> list[dict[str, Any]]:
    """Sums over hosts that are not retired; `free` counts only hosts that take guests. One query whatever the fleet."""
    taking = Q(duty=HostDuty.ACTIVE, reachable=True, pod__state=PodState.OPEN)
    sums: dict[str, Any] = {"hosts": Count("id"), "taking_guests": Count("id", filter=taking), "guests_sum": Sum("guests")}
    for dimension in DIMENSIONS:
        for side in ("cap", "used"):
            sums[f"{side}_{dimension}_sum"] = Sum(f"{side}_{dimension}")
            sums[f"{side}_{dimension}_taking"] = Sum(f"{side}_{dimension}", filter=taking)
    rows = Host.objects.exclude(duty=HostDuty.RETIRED).values("pod__slug", "pod__state").annotate(**sums).order_by("pod__slug")
    return [_line(dict(row)) for row in rows]


def _line(row: dict[str, Any]) -> dict[str, Any]:
    dimensions = {
        dimension: {
            "cap": row[f"cap_{dimension}_sum"] or 0,
            "used": row[f"used_{dimension}_sum"] or 0,
            "free": (row[f"cap_{dimension}_taking"] or 0) - (row[f"used_{dimension}_taking"] or 0),
        }
        for dimension in DIMENSIONS
    }
    return {
        "pod": row["pod__slug"], "state": row["pod__state"], "hosts": row["hosts"],
        "taking_guests": row["taking_guests"], "guests": row["guests_sum"] or 0, **dimensions,
    }  # fmt: skip
