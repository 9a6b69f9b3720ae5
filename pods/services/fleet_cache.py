"""The fleet as this process last read it: what a claim plans on first, because the claim itself checks again.

On PostgreSQL every write of a host row leaves the writing transaction's number in `changed_tx`. A refresh reads the rows
whose number is not below the oldest transaction that was still running at the refresh before: exactly those it could not
have seen. Pods are read each time; image copies and host rows that came or went with a full read.
On other databases nothing is kept.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection
from django.utils import timezone

from pods.models import Host, Pod
from pods.placement.request import Fleet
from pods.services.fleet import COLUMNS, compose, images_of, load_fleet, with_residents
from pods.states import HostDuty


class FleetCache:
    """One a process. `get` answers a fleet at most `PLACEMENT_REFRESH_S` old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Any, tuple[Any, ...]] = {}
        self._fleet: Fleet | None = None
        self._images: dict[str, list[str]] = {}
        self._pods: list[dict[str, Any]] = []
        self._horizon = 0
        self._read_at = self._whole_at = float("-inf")

    @property
    def keeps(self) -> bool:
        """Whether `get` may answer what was read before."""
        return connection.vendor == "postgresql" and settings.PLACEMENT_REFRESH_S > 0

    def get(self, *, pod: str | None = None) -> Fleet:
        """The fleet (of one pod, if given): read anew where caching is off or impossible."""
        if not self.keeps:
            return load_fleet(pod=pod)
        with self._lock:
            fleet = self._refreshed(time.monotonic())
        return with_residents(fleet if pod is None else _one_pod(fleet, pod))

    def forget(self) -> None:
        """Read all of it next time."""
        with self._lock:
            self._whole_at = self._read_at = float("-inf")

    def _refreshed(self, now: float) -> Fleet:
        if self._fleet is None or now - self._whole_at > settings.PLACEMENT_RELOAD_S:
            self._whole_at = self._read_at = now
            return self._read_whole()
        if now - self._read_at > settings.PLACEMENT_REFRESH_S:
            self._read_at = now
            self._read_changes()
        return self._fleet

    def _read_whole(self) -> Fleet:
        self._horizon = _horizon()
        rows = Host.objects.exclude(duty=HostDuty.RETIRED).order_by("id").values_list(*COLUMNS)
        self._rows = {row[0]: row for row in rows}
        self._pods = _pods()
        self._images = images_of(None)
        return self._compose()

    def _read_changes(self) -> None:
        horizon = _horizon()
        changed = list(Host.objects.filter(changed_tx__gte=self._horizon).values_list(*COLUMNS))
        pods = _pods()
        self._horizon = horizon
        if pods != self._pods:
            self._pods = pods
            self._keep(changed)
            self._compose()
        elif changed:
            self._take_over(changed)

    def _take_over(self, changed: list[tuple[Any, ...]]) -> None:
        """Sums alone are patched into copies of the columns; whatever else changed composes the fleet anew."""
        assert self._fleet is not None
        head = COLUMNS.index("spot_cpu_m")
        only_sums = all(row[0] in self._rows and row[:head] == self._rows[row[0]][:head] for row in changed)
        self._keep(changed)
        if not only_sums:
            self._compose()
            return
        capacity, used, spot = (column.copy() for column in (self._fleet.capacity, self._fleet.used, self._fleet.spot))
        where = [self._fleet.rows[str(row[0])] for row in changed]
        numbers = np.array([row[head:] for row in changed], dtype=np.int64)
        spot[where, :2], capacity[where], used[where] = numbers[:, :2], numbers[:, 2:5], numbers[:, 5:8]
        self._fleet = replace(self._fleet, capacity=capacity, used=used, spot=spot)

    def _keep(self, changed: list[tuple[Any, ...]]) -> None:
        self._rows |= {row[0]: row for row in changed}
        for row in changed:
            if row[COLUMNS.index("duty")] == HostDuty.RETIRED:
                del self._rows[row[0]]

    def _compose(self) -> Fleet:
        rows = [self._rows[pk] for pk in sorted(self._rows)]
        pods = [Pod(**fields) for fields in self._pods]
        self._fleet = compose(rows, pods, self._images, timezone.now())
        return self._fleet


def _pods() -> list[dict[str, Any]]:
    """What placement asks of pods; equal lists mean that nothing changed."""
    rows = Pod.objects.order_by("slug").values("id", "slug", "location", "state", "n_plus_one", "time_zone")
    return [dict(row) for row in rows]


def _horizon() -> int:
    """The oldest transaction that may still be running."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


def _one_pod(fleet: Fleet, slug: str) -> Fleet:
    rows = np.flatnonzero(fleet.of_pods([pod.slug == slug for pod in fleet.pods]))
    return fleet.only(rows)


fleet_cache = FleetCache()
