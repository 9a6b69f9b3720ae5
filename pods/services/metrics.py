"""What /metrics tells about hosts, capacity, addresses and drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import Metric

from mcp.health.metrics import collects, gauge
from pods.models import DriftFinding, Network
from pods.placement.request import DIMENSIONS
from pods.services.capacity import capacity_by_pod
from pods.services.sums import fleet_sums
from pods.states import FindingState, shown_state


@collects
def hosts() -> Iterator[Metric]:
    """Hosts by pod and by the state that people see."""
    counted: Counter[tuple[str, ...]] = Counter()
    for line in fleet_sums():
        counted[(line.pod, shown_state(line.duty, line.reachable).value)] += line.hosts
    yield gauge("mcp_hosts", "Hosts by state.", ["pod", "state"], counted)


@collects
def capacity() -> Iterator[Metric]:
    """What may be promised and what is, by pod; guests, too."""
    rows = capacity_by_pod()
    for side, text in (("cap", "What may be promised."), ("used", "What is promised.")):
        values = {(row["pod"], d): row[d][side] for row in rows for d in DIMENSIONS}
        name = "mcp_capacity_total" if side == "cap" else "mcp_capacity_used"
        yield gauge(name, f"{text} In the unit that the dimension ends with.", ["pod", "dimension"], values)
    yield gauge("mcp_guests", "Guests by pod.", ["pod"], {(row["pod"],): row["guests"] for row in rows})


@collects
def drift() -> Iterator[Metric]:
    """Open findings by kind."""
    rows = DriftFinding.objects.filter(state=FindingState.OPEN).order_by().values_list("kind").annotate(n=Count("id"))
    values = {(kind,): n for kind, n in rows}
    yield gauge("mcp_drift_open", "Differences between wish and hosts that wait for a decision.", ["kind"], values)


@collects
def addresses() -> Iterator[Metric]:
    """Addresses never given out yet, by network."""
    values = {(n.pod.slug, n.slug): float(n.size - n.next_offset) for n in Network.objects.select_related("pod")}
    yield gauge("mcp_addresses_fresh", "Addresses never given out yet.", ["pod", "network"], values)
