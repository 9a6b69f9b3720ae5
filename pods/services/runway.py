"""Read how pods grew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from pods.models import CapacitySample
from pods.placement.request import DIMENSIONS
from pods.placement.runway import Growth, Runway, Sample, growth_of, runway_of

# The weeks that growth is judged by: a sample a day, and the hours of the last days where there are no weeks yet.
WEEKS = timedelta(days=28)
HOURS = timedelta(days=4)
DAY_S = 86_400.0


def growth_by_pod(now: datetime | None = None) -> dict[str, Growth]:
    """By slug; pods without a sample are left out. One query; some 130 rows a pod at most, however large the fleet."""
    now = now or timezone.now()
    wanted = Q(daily=True, at__gte=now - WEEKS) | Q(at__gte=now - HOURS)
    columns = [f"{side}_{name}" for side in ("used", "cap") for name in DIMENSIONS]
    samples: dict[str, list[Sample]] = defaultdict(list)
    for slug, at, *numbers in CapacitySample.objects.filter(wanted).order_by("at").values_list("pod__slug", "at", *columns):
        samples[slug].append(Sample(at.timestamp() / DAY_S, numbers[:3], numbers[3:]))
    return {slug: growth_of(_evened(rows), now.timestamp() / DAY_S) for slug, rows in samples.items()}


def _evened(samples: Sequence[Sample]) -> list[Sample]:
    """Where there are weeks, one sample a day and the newest, so that the last days do not weigh twenty times as much."""
    if samples[-1].day - samples[0].day < HOURS / timedelta(days=1):
        return list(samples)
    by_day = {int(sample.day): sample for sample in reversed(samples)}
    return [*reversed(list(by_day.values()))] + ([samples[-1]] if samples[-1] not in by_day.values() else [])


def present_runway(growth: Growth | None, free: Sequence[int]) -> dict[str, Any]:
    """As the API, the command and the console show it. `free` is in the order of DIMENSIONS."""
    grown = growth or Growth(0.0, 0, None, {})
    found: Runway = runway_of(grown, free)
    return {
        "days": found.days, "ends_first": found.ends_first, "enough_history": found.enough, "sentence": found.sentence,
        "history_days": grown.days, "samples": grown.samples,
        "per_day": dict(zip(DIMENSIONS, grown.per_day, strict=True)) if grown.per_day else None,
        "history": [list(point) for point in grown.history.get(found.ends_first or "memory", ())],
    }  # fmt: skip
