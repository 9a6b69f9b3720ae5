"""What /metrics shows beyond requests: gauges read from the database when they are asked for.

So they are the same whichever process answers. Apps above the kernel add theirs with `collects`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from mcp.health.models import Tally
from mcp.health.services.pulse import fresh_workers, last_sweep
from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE, OperationState

Collect = Callable[[], Iterable[Metric]]
_collectors: list[Collect] = []

RECENT = timedelta(hours=1)
# Steps of at most this many of the newest operations are measured at each scrape.
SAMPLE = 500
QUANTILES = (0.5, 0.95)


def collects(function: Collect) -> Collect:
    """Decorator: add metrics. Each is a few queries at every scrape, and none may grow with history."""
    _collectors.append(function)
    return function


# Keys of the values are tuples, one string a label.
def gauge(name: str, text: str, labels: Iterable[str], values: Mapping[Any, float]) -> GaugeMetricFamily:
    """One family with its values by labels."""
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


class DatabaseCollector:
    """All registered collectors as one, for prometheus_client."""

    def collect(self) -> Iterator[Metric]:
        """Asked at every scrape."""
        for function in _collectors:
            yield from function()


def exposition() -> bytes:
    """Everything in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client types half of itself
        return generate_latest(registry)
    return generate_latest(registry) + generate_latest(REGISTRY)


@collects
def operations() -> Iterator[Metric]:
    """Operations at work by state and kind, those begun in the last hour by outcome, and what waits too long."""
    now = timezone.now()
    rows = Operation.objects.filter(state__in=sorted(ACTIVE)).values_list("state", "kind").annotate(n=Count("id"))
    yield gauge("mcp_operations_active", "Operations that have not ended.", ["state", "kind"], {(s, k): n for s, k, n in rows})
    late = Operation.objects.filter(created_at__gte=now - RECENT).order_by()
    recent = late.values_list("state", "kind").annotate(n=Count("id"))
    yield gauge(
        "mcp_operations_last_hour", "Operations asked for in the last hour, by present state.", ["state", "kind"],
        {(s, k): n for s, k, n in recent},
    )  # fmt: skip
    attention = Operation.objects.filter(state=OperationState.NEEDS_ATTENTION).count()
    yield gauge("mcp_operations_needs_attention", "Operations that wait for an operator.", [], {(): attention})
    lapsed = Operation.objects.filter(state=OperationState.RUNNING, lease_until__lt=now).count()
    yield gauge("mcp_operations_lease_lapsed", "Running operations whose worker is gone.", [], {(): lapsed})
    yield gauge("mcp_queue_age_seconds", "Age of the oldest operation that could start.", ["queue"], queue_ages(now))


def queue_ages(now: datetime) -> dict[tuple[str, ...], float]:
    """Seconds the oldest due operation of each queue has waited."""
    waiting = Operation.objects.filter(state=OperationState.QUEUED, not_before__lte=now).order_by()
    rows = waiting.values_list("queue").annotate(oldest=Min("not_before"))
    return {(queue,): (now - oldest).total_seconds() for queue, oldest in rows}


@collects
def takeovers() -> Iterator[Metric]:
    """How often a worker took over from a dead one."""
    family = CounterMetricFamily("mcp_lease_takeovers", "Operations taken over from a worker whose lease had run out.")
    family.add_metric([], Tally.objects.filter(name="lease_takeovers").values_list("count", flat=True).first() or 0)
    yield family


@collects
def workers() -> Iterator[Metric]:
    """Who works, and when the clock was last seen."""
    yield gauge("mcp_workers", "Worker processes for operations seen in the last half minute.", [], {(): len(fresh_workers())})
    swept = last_sweep()
    age = (timezone.now() - swept).total_seconds() if swept else float("inf")
    yield gauge("mcp_sweep_age_seconds", "Time since clock, broker and worker last worked together.", [], {(): age})


@collects
def steps() -> Iterator[Metric]:
    """How long steps took, over the newest operations that succeeded."""
    rows = Operation.objects.filter(state=OperationState.SUCCEEDED).order_by("-created_at", "-id")
    durations: dict[tuple[str, str], list[float]] = {}
    for kind, journal in rows.values_list("kind", "journal")[:SAMPLE]:
        for record in journal:
            if record["started_at"] and record["finished_at"]:
                durations.setdefault((kind, record["name"]), []).append(_seconds(record))
    values = {
        (kind, step, str(q)): sorted(found)[min(len(found) - 1, int(q * len(found)))]
        for (kind, step), found in durations.items()
        for q in QUANTILES
    }
    yield gauge("mcp_step_seconds", "Duration of steps, newest operations.", ["kind", "step", "quantile"], values)


def _seconds(record: Mapping[str, str]) -> float:
    started, finished = datetime.fromisoformat(record["started_at"]), datetime.fromisoformat(record["finished_at"])
    return (finished - started).total_seconds()
