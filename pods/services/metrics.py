"""What /metrics tells about hosts, capacity, addresses and drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Sum
from prometheus_client.core import Metric

from mcp.health.metrics import collects, gauge
from pods.models import DriftFinding, Host, Network
from pods.placement.request import DIMENSIONS
from pods.states import FindingState, HostDuty, shown_state


@collects
def hosts() -> Iterator[Metric]:
    """Hosts by pod and by the state that people see; one query, answered by the database in groups."""
    rows = Host.objects.order_by().values_list("pod__slug", "duty", "reachable").annotate(n=Count("id"))
    counted: Counter[tuple[str, ...]] = Counter()
    for pod, duty, reachable, n in rows:
        counted[(pod, shown_state(duty, reachable).value)] += n
    yield gauge("mcp_hosts", "Hosts by state.", ["pod", "state"], counted)


@collects
def capacity() -> Iterator[Metric]:
    """What may be promised and what is, by pod; guests, too."""
    sums = {f"sum_{side}_{d}": Sum(f"{side}_{d}") for side in ("cap", "used") for d in DIMENSIONS}
    live = Host.objects.exclude(duty=HostDuty.RETIRED).order_by()
    rows: list[Any] = list(live.values("pod__slug").annotate(**sums, n_guests=Sum("guests")))
    for side, text in (("cap", "What may be promised."), ("used", "What is promised.")):
        values = {(row["pod__slug"], d): row[f"sum_{side}_{d}"] or 0 for row in rows for d in DIMENSIONS}
        name = "mcp_capacity_total" if side == "cap" else "mcp_capacity_used"
        yield gauge(name, f"{text} In the unit that the dimension ends with.", ["pod", "dimension"], values)
    yield gauge("mcp_guests", "Guests by pod.", ["pod"], {(row["pod__slug"],): row["n_guests"] or 0 for row in rows})


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
