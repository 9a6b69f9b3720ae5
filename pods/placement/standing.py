"""How pods and hosts stand: sums, what no plan can use, what ends first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pods.placement.explanation import SHORT
from pods.placement.request import Amounts, Fleet, Mask
from pods.placement.room import Room, most_common

Three = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PodAfter:
    """A pod's sums in the order of DIMENSIONS; `free` and `stranded` count only hosts that take guests now.

    `first` counts those hosts by the dimension that ends first, `plans` how many more of each plan they hold, host by host.
    """

    pod: str
    hosts: int
    taking_guests: int
    cap: Three
    used: Three
    free: Three
    stranded: Three
    stranded_hosts: int
    ends_first: str
    first: Mapping[str, int]
    plans: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StrandedHost:
    """A host with room that no plan can use, and the dimension that is gone there."""

    host: str
    pod: str
    stranded: Three
    gone: str


def pods_after(fleet: Fleet, room: Room) -> list[PodAfter]:
    """One a pod that has hosts."""
    open_now = fleet.accepting & fleet.of_pods([pod.open for pod in fleet.pods])
    return [
        _pod_after(fleet, room, pod.slug, inside, inside & open_now)
        for number, pod in enumerate(fleet.pods)
        if (inside := fleet.pod == number).any()
    ]


def _pod_after(fleet: Fleet, room: Room, slug: str, inside: Mask, taking: Mask) -> PodAfter:
    first = room.first[taking & room.taking]
    return PodAfter(
        pod=slug,
        hosts=int(inside.sum()),
        taking_guests=int(taking.sum()),
        cap=_three(fleet.capacity[inside]),
        used=_three(fleet.used[inside]),
        free=_three(fleet.free[taking]),
        stranded=_three(room.stranded[taking]),
        stranded_hosts=int(room.stranded[taking].any(axis=1).sum()),
        ends_first=most_common(first),
        first=dict(zip(SHORT, np.bincount(first, minlength=len(SHORT)).tolist(), strict=True)),
        plans={name: int(fits[inside].sum()) for name, fits in room.fits.items()},
    )


def _three(rows: Amounts) -> Three:
    cpu, memory, disk = rows.sum(axis=0).tolist()
    return cpu, memory, disk


def stranded_hosts(fleet: Fleet, room: Room, most: int) -> Sequence[StrandedHost]:
    """Those with most stranded room, as shares of their capacity, the worst first."""
    share = (room.stranded / np.maximum(fleet.capacity, 1)).max(axis=1) if len(fleet) else np.zeros(0)
    rows = np.argsort(-share, kind="stable")[:most]
    return [
        StrandedHost(
            fleet.names[row],
            fleet.pods[int(fleet.pod[row])].slug,
            _three(room.stranded[row : row + 1]),
            SHORT[int(room.first[row])],
        )
        for row in rows.tolist()
        if share[row] > 0
    ]
