"""The numbers on the console's first page: a fixed handful of queries, each answered from an index or from small tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django import template
from django.db.models import Count
from django.utils import timezone

from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE, OperationState
from pods.models import DriftFinding, Refusal
from pods.services.sums import Sums, fleet_sums, live_by_pod, total
from pods.states import FindingState, HostState, shown_state

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
    found: Counter[str] = Counter()
    for line in fleet_sums():
        found[shown_state(line.duty, line.reachable)] += line.hosts
    base = "/admin/pods/host/"
    return [
        Tile("online", found[HostState.ONLINE], f"{base}?duty__exact=active&reachable__exact=1", "good"),
        Tile("unreachable", found[HostState.UNREACHABLE], f"{base}?reachable__exact=0", "bad"),
        Tile("draining", found[HostState.DRAINING], f"{base}?duty__exact=draining", "warn"),
        Tile("in maintenance", found[HostState.MAINTENANCE], f"{base}?duty__exact=maintenance", "warn"),
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
    """As the sums have them, at most `MCP_SUMS_S` seconds old."""
    return [
        PodRoom(lines[0].pod, str(pod_id), sum(x.hosts for x in lines), sum(x.guests for x in lines), _bars(lines))
        for pod_id, lines in list(live_by_pod().items())[:100]
    ]


def _bars(lines: Sequence[Sums]) -> list[tuple[str, float, float, str]]:
    scale = {"cpu_m": ("processors", 1000, "vCPU"), "memory_mib": ("memory", 1024, "GiB"), "disk_gib": ("disk", 1, "GiB")}
    return [
        (words, total(lines, f"used_{name}") / by, total(lines, f"cap_{name}") / by, unit)
        for name, (words, by, unit) in scale.items()
    ]
