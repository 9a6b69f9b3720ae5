"""The numbers on the console's first page: a fixed handful of queries, each answered from an index or from small tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django import template
from django.db.models import Case, CharField, Count, F, Q, Sum, Value, When
from django.utils import timezone

from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE, OperationState
from pods.models import DriftFinding, Host, Refusal
from pods.states import FindingState, HostDuty, HostState

register = template.Library()
ENOUGH = 1_000


@dataclass(frozen=True, slots=True)
class Tile:
    """One number with its link; `tone` colours it when it is not zero."""

    words: str
    number: int
    url: str
    tone: str = ""

    @property
    def shown(self) -> str:
        """Counting stops at ENOUGH."""
        return f"{ENOUGH}+" if self.number >= ENOUGH else str(self.number)


@dataclass(frozen=True, slots=True)
class PodRoom:
    """Capacity of a pod: (what, used, cap, unit) a dimension."""

    slug: str
    pod_id: str
    hosts: int
    guests: int
    bars: list[tuple[str, float, float, str]] = field(default_factory=list)


@register.simple_tag
def console_home() -> dict[str, Any]:
    """Everything the page shows."""
    return {"hosts": _hosts(), "operations": _operations(), "troubles": _troubles(), "pods": _pods()}


def _hosts() -> list[Tile]:
    unanswered = Q(duty__in=[HostDuty.ACTIVE, HostDuty.DRAINING], reachable=False)
    shown = Case(When(unanswered, then=Value("unreachable")), default=F("duty"), output_field=CharField())
    found = dict(Host.objects.annotate(shown=shown).values_list("shown").annotate(n=Count("pk")).order_by())
    base = "/admin/pods/host/"
    return [
        Tile("online", found.get(HostDuty.ACTIVE, 0), f"{base}?duty__exact=active&reachable__exact=1", "good"),
        Tile("unreachable", found.get(HostState.UNREACHABLE, 0), f"{base}?reachable__exact=0", "bad"),
        Tile("draining", found.get(HostDuty.DRAINING, 0), f"{base}?duty__exact=draining", "warn"),
        Tile("in maintenance", found.get(HostDuty.MAINTENANCE, 0), f"{base}?duty__exact=maintenance", "warn"),
    ]


def _operations() -> list[Tile]:
    """From the partial indexes on what is active."""
    found = dict(Operation.objects.filter(state__in=sorted(ACTIVE)).values_list("state").annotate(n=Count("pk")).order_by())
    base = "/admin/operations/operation/?state__exact="
    return [
        Tile("need attention", found.get(OperationState.NEEDS_ATTENTION, 0), f"{base}needs_attention", "bad"),
        Tile("running", found.get(OperationState.RUNNING, 0), f"{base}running", "busy"),
        Tile("queued", found.get(OperationState.QUEUED, 0), f"{base}queued", "busy"),
    ]


def _troubles() -> list[Tile]:
    since = timezone.now() - timedelta(hours=24)
    failed = Operation.objects.filter(created_at__gte=since, state=OperationState.FAILED).order_by()[:ENOUGH].count()
    drift = DriftFinding.objects.filter(state=FindingState.OPEN).order_by()[:ENOUGH].count()
    refused = Refusal.objects.filter(created_at__gte=since).order_by()[:ENOUGH].count()
    return [
        Tile("drift open", drift, "/admin/pods/driftfinding/?state__exact=open", "warn"),
        Tile("failed in 24 h", failed, "/admin/operations/operation/?state__exact=failed", "bad"),
        Tile("refused in 24 h", refused, "/admin/pods/refusal/?since=day", "warn"),
    ]


def _pods() -> list[PodRoom]:
    names = [f"{side}_{what}" for side in ("used", "cap") for what in ("cpu_m", "memory_mib", "disk_gib")]
    rows = (
        Host.objects.exclude(duty=HostDuty.RETIRED)
        .values("pod_id", "pod__slug")
        .annotate(hosts=Count("pk"), sum_guests=Sum("guests"), **{f"sum_{name}": Sum(name) for name in names})
        .order_by("pod__slug")[:100]
    )
    return [PodRoom(row["pod__slug"], str(row["pod_id"]), row["hosts"], row["sum_guests"], _bars(row)) for row in rows]


def _bars(row: Mapping[str, Any]) -> list[tuple[str, float, float, str]]:
    scale = {"cpu_m": ("processors", 1000, "vCPU"), "memory_mib": ("memory", 1024, "GiB"), "disk_gib": ("disk", 1, "GiB")}
    return [(words, row[f"sum_used_{name}"] / by, row[f"sum_cap_{name}"] / by, unit) for name, (words, by, unit) in scale.items()]
