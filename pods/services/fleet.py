"""Read the fleet into the planner's columns."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from pods.models import Host, ImageCopy
from pods.placement.request import DIMENSIONS, Fleet
from pods.states import HostDuty, PodState

COLUMNS = ("id", "name", "pod__slug", "pod__state", "duty", "reachable", "kinds")


def load_fleet(*, lock: bool = False, pod: str | None = None) -> Fleet:
    """All hosts that are not retired (of one pod, if given), as they are now: two queries whatever their number.

    `lock` takes every row's lock in id order, so that a decision on them is final; the caller holds a transaction.
    """
    hosts = Host.objects.exclude(duty=HostDuty.RETIRED).order_by("id")
    if pod is not None:
        hosts = hosts.filter(pod__slug=pod)
    if lock:
        hosts = hosts.select_for_update(of=("self",))
    sums = [f"{side}_{dimension}" for side in ("cap", "used") for dimension in DIMENSIONS]
    rows = list(hosts.values_list(*COLUMNS, *sums))
    copies: dict[str, set[str]] = defaultdict(set)
    for host_id, image_id in ImageCopy.objects.filter(host__in=[row[0] for row in rows]).values_list("host_id", "image_id"):
        copies[str(host_id)].add(str(image_id))
    width = len(COLUMNS)
    numbers = np.array([row[width:] for row in rows], dtype=np.int64).reshape(len(rows), 2 * len(DIMENSIONS))
    return Fleet(
        ids=[str(row[0]) for row in rows],
        names=[row[1] for row in rows],
        pods=np.array([row[2] for row in rows], dtype=np.str_),
        pod_open=np.array([row[3] == PodState.OPEN for row in rows], dtype=bool),
        accepting=np.array([row[4] == HostDuty.ACTIVE and row[5] for row in rows], dtype=bool),
        kinds=[frozenset(row[6]) for row in rows],
        images=[frozenset(copies[str(row[0])]) for row in rows],
        capacity=numbers[:, : len(DIMENSIONS)],
        used=numbers[:, len(DIMENSIONS) :],
    )
