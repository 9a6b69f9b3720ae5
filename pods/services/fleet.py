"""Read the fleet into the planner's columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from pods.models import Allocation, Host, ImageCopy, Pod
from pods.placement.request import DIMENSIONS, Fleet, Guest, Mask, Need, PodFacts
from pods.placement.windows import open_until, parse_windows
from pods.services.spot import lead
from pods.states import HostDuty, PodState, SpotUse

SUMS = tuple(f"{side}_{dimension}" for side in ("cap", "used") for dimension in DIMENSIONS)
COLUMNS = (
    "id", "name", "pod_id", "duty", "reachable", "kinds", "traits", "exclusive_account_id", "spot", "spot_windows", "mishaps",
    "mishap_at", "spot_cpu_m", "spot_memory_mib", *SUMS,
)  # fmt: skip


def load_fleet(*, lock: bool = False, pod: str | None = None, residents: bool = True, images: bool = True) -> Fleet:
    """All hosts that are not retired (of one pod, if given), as they are now: four queries at most, whatever their number.

    `lock` takes every row's lock in id order, so that a decision on them is final; the caller holds a transaction.
    Without `residents` the guests that N+1 is judged by are left out, without `images` the copies that only scores ask for.
    """
    pods = list(Pod.objects.filter(**({"slug": pod} if pod is not None else {})).order_by("slug"))
    hosts = Host.objects.exclude(duty=HostDuty.RETIRED).order_by("id")
    if pod is not None:
        hosts = hosts.filter(pod__in=pods)
    if lock:
        hosts = hosts.select_for_update(of=("self",), no_key=True)
    copies = images_of(None if pod is None else pods) if images else {}
    fleet = compose(list(hosts.values_list(*COLUMNS)), pods, copies, timezone.now())
    return with_residents(fleet) if residents else fleet


def images_of(pods: Sequence[Pod] | None) -> dict[str, list[str]]:
    """Host ids by image id."""
    copies = ImageCopy.objects.all() if pods is None else ImageCopy.objects.filter(host__pod__in=pods)
    found: dict[str, list[str]] = defaultdict(list)
    for image_id, host_id in copies.order_by().values_list("image_id", "host_id"):
        found[str(image_id)].append(str(host_id))
    return found


def compose(rows: Sequence[tuple[Any, ...]], pods: Sequence[Pod], images: Mapping[str, Sequence[str]], now: datetime) -> Fleet:
    """Columns out of rows of COLUMNS."""
    ids = [str(row[0]) for row in rows]
    number_of = {pod.pk: number for number, pod in enumerate(pods)}
    where = {host: number for number, host in enumerate(ids)}
    owners = {account: number for number, account in enumerate(sorted({str(row[7]) for row in rows if row[7]}))}
    numbers = np.array([row[12:] for row in rows], dtype=np.int64).reshape(len(rows), 2 + len(SUMS))
    spot = np.zeros((len(rows), len(DIMENSIONS)), dtype=np.int64)
    spot[:, :2] = numbers[:, :2]
    lending = _Lending(pods, now)
    return Fleet(
        ids=ids,
        names=[row[1] for row in rows],
        pods=[PodFacts(pod.slug, pod.location, pod.state == PodState.OPEN, pod.n_plus_one) for pod in pods],
        pod=np.array([number_of[row[2]] for row in rows], dtype=np.int64),
        accepting=np.array([row[3] == HostDuty.ACTIVE and row[4] for row in rows], dtype=np.bool_),
        kinds=_words([row[5] for row in rows]),
        traits=_words([row[6] for row in rows]),
        images={image: _marked([where[host] for host in hosts if host in where], len(rows)) for image, hosts in images.items()},
        owners=owners,
        owner=np.array([owners[str(row[7])] if row[7] else -1 for row in rows], dtype=np.int64),
        capacity=numbers[:, 2 : 2 + len(DIMENSIONS)],
        used=numbers[:, 2 + len(DIMENSIONS) :],
        spot=spot,
        lends=np.array([lending.lends(row[2], row[8], row[9]) for row in rows], dtype=np.bool_),
        mishaps=np.array([mishap_share(row[10], row[11], now) for row in rows], dtype=np.float64),
        rows=where,
    )


def _words(lists: Sequence[Iterable[str]]) -> dict[str, Mask]:
    rows: dict[str, list[int]] = defaultdict(list)
    for number, words in enumerate(lists):
        for word in words:
            rows[word].append(number)
    return {word: _marked(numbers, len(lists)) for word, numbers in rows.items()}


def _marked(rows: Sequence[int], size: int) -> Mask:
    mask = np.zeros(size, dtype=np.bool_)
    mask[list(rows)] = True
    return mask


def mishap_share(mishaps: int, at: datetime | None, now: datetime) -> float:
    """0 for a host on which nothing failed lately, 1 from three failures on; forgotten after a while."""
    recent = at is not None and now - at < timedelta(seconds=settings.MISHAPS_REMEMBERED_S)
    return min(mishaps, 3) / 3 if recent else 0.0


class _Lending:
    """Which hosts lend idle room at a moment; equal schedules are read once."""

    def __init__(self, pods: Sequence[Pod], now: datetime) -> None:
        self._local = {pod.pk: now.astimezone(ZoneInfo(pod.time_zone)).replace(tzinfo=None) for pod in pods}
        self._known: dict[tuple[UUID, tuple[str, ...]], bool] = {}

    def lends(self, pod_id: UUID, spot: str, windows: Sequence[str]) -> bool:
        if spot != SpotUse.WINDOWS:
            return spot == SpotUse.ALWAYS
        key = (pod_id, tuple(windows))
        if key not in self._known:
            end = open_until(parse_windows(windows), self._local[pod_id])
            # Nobody is let in who would be told to leave at once.
            self._known[key] = end is not None and end - self._local[pod_id] > lead()
        return self._known[key]


def with_residents(fleet: Fleet) -> Fleet:
    """The fleet with the guests of those of its pods that ask for N+1; one query, none if no pod does."""
    guarded = [pod.slug for pod in fleet.pods if pod.n_plus_one]
    if not guarded:
        return fleet
    return replace(fleet, residents=guests_of(fleet, Allocation.objects.filter(pod__slug__in=guarded)))


GUEST_COLUMNS = (
    "host_id", "holder_id", "account_id", "cpu_m", "memory_mib", "disk_gib", "kind", "required_traits", "forbidden_traits",
    "image_id", "group", "spread", "group_limit", "group_soft", "preemptible",
)  # fmt: skip


def guests_of(fleet: Fleet, allocations: QuerySet[Allocation]) -> list[Guest]:
    """Guests as placement sees them; those whose host is not in the fleet are left out. One query."""
    rows = allocations.order_by("id").values_list(*GUEST_COLUMNS)
    return [_guest(host, row) for row in rows if (host := fleet.rows.get(str(row[0]))) is not None]


def _guest(host: int, row: tuple[Any, ...]) -> Guest:
    """Out of a row of GUEST_COLUMNS; a spread that is only preferred binds nobody."""
    _, holder, account, cpu_m, memory_mib, disk_gib, kind, required, forbidden, image, group, spread, limit, soft, spot = row
    return Guest(
        id=str(holder), name=str(holder), host=host, need=Need(cpu_m, memory_mib, disk_gib), kind=kind, account=str(account),
        required=frozenset(required), forbidden=frozenset(forbidden), image=str(image or ""), group=group,
        spread="none" if soft else spread, spread_limit=limit, preemptible=spot,
    )  # fmt: skip
