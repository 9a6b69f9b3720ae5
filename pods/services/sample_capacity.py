"""Note how full each pod is, for the runway."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from pods.models import CapacitySample, Pod
from pods.placement.request import DIMENSIONS
from pods.services.capacity import capacity_by_pod

HOURLY_KEPT = timedelta(days=14)
DAILY_KEPT = timedelta(days=366)


def sample_capacity(now: datetime | None = None) -> int:
    """One row a pod and hour, and those that are too old forgotten; answers how many rows are new.

    Repeatable: an hour that is noted already stays as it is. Six queries at most, however many hosts and guests there are.
    """
    hour = (now or timezone.now()).replace(minute=0, second=0, microsecond=0)
    if CapacitySample.objects.filter(at=hour).exists():
        return 0
    with transaction.atomic():
        CapacitySample.objects.filter(daily=False, at__lt=hour - HOURLY_KEPT).delete()
        CapacitySample.objects.filter(daily=True, at__lt=hour - DAILY_KEPT).delete()
        rows = _rows(hour)
        CapacitySample.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _rows(hour: datetime) -> list[CapacitySample]:
    pods = dict(Pod.objects.values_list("slug", "pk"))
    noted = set(
        CapacitySample.objects.filter(daily=True, at__gte=hour.replace(hour=0), at__lte=hour).values_list("pod_id", flat=True)
    )
    return [
        CapacitySample(
            pod_id=pods[line["pod"]], at=hour, daily=pods[line["pod"]] not in noted, hosts=line["hosts"], guests=line["guests"],
            **{f"{side}_{name}": line[name][side] for name in DIMENSIONS for side in ("cap", "used")},
        )
        for line in capacity_by_pod()
        if line["pod"] in pods
    ]  # fmt: skip
