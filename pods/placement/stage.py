"""A fleet as a scenario leaves it: hosts added, lost and drained, guests not yet re-placed. Pure; the fleet given stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pods.placement.request import Fleet, Guest, Mask
from pods.placement.room import Offer

NOWHERE = -1


@dataclass(frozen=True, slots=True)
class More:
    """So many more of a plan, and where."""

    offer: Offer
    count: int
    pod: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is supposed, all at once. Hosts are ids, pods are slugs; what is lost cannot be drained.

    In order: `add_hosts` empty hosts like the host `like` in its pod; `lose_*`; `drain_hosts`; `more`. `headroom` names the
    pods of which N+1 is told: all of their guests must be known.
    """

    lose_hosts: frozenset[str] = frozenset()
    lose_pods: frozenset[str] = frozenset()
    drain_hosts: frozenset[str] = frozenset()
    add_hosts: int = 0
    like: str = ""
    more: More | None = None
    headroom: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """`fleet` has the lost hosts no more. Of the guests, those of lost hosts have NOWHERE as their host; rows are new ones.

    `lost`, `drained` and `staying` part them; `within` has the pod's number for each guest that must find its new host there.
    `origin` has the old host's id of each guest that must move.
    """

    fleet: Fleet
    lost: Sequence[Guest]
    drained: Sequence[Guest]
    staying: Sequence[Guest]
    within: dict[str, int]
    origin: dict[str, str]


def set_stage(scenario: Scenario, fleet: Fleet, guests: Sequence[Guest]) -> Stage:
    """Apply all but `more`."""
    grown = grow(fleet, fleet.rows[scenario.like], scenario.add_hosts) if scenario.add_hosts else fleet
    pods_lost = grown.of_pods([pod.slug in scenario.lose_pods for pod in grown.pods])
    lost = pods_lost | _marked(grown, scenario.lose_hosts)
    draining = _marked(grown, scenario.drain_hosts) & ~lost
    must = lost | draining
    kept = np.flatnonzero(~lost)
    moved = np.full(len(grown), NOWHERE, dtype=np.int64)
    moved[kept] = np.arange(len(kept))
    after = replace(grown, accepting=grown.accepting & ~draining).only(kept)
    placed = [replace(guest, host=int(moved[guest.host])) for guest in guests]
    pairs = list(zip(guests, placed, strict=True))
    return Stage(
        fleet=after,
        lost=[now for was, now in pairs if lost[was.host]],
        drained=[now for was, now in pairs if draining[was.host]],
        staying=[now for was, now in pairs if not must[was.host]],
        within={was.id: int(fleet.pod[was.host]) for was in guests if must[was.host] and not pods_lost[was.host]},
        origin={was.id: fleet.ids[was.host] for was in guests if must[was.host]},
    )


def _marked(fleet: Fleet, ids: frozenset[str]) -> Mask:
    mask: Mask = fleet.counts(dict.fromkeys(ids, 1)) > 0
    return mask


def grow(fleet: Fleet, like: int, count: int) -> Fleet:
    """With `count` empty hosts of the same pod, size, kinds, traits and owner at the end; they take guests and hold no image."""
    size = len(fleet)
    rows = np.concatenate([np.arange(size), np.full(count, like)])
    new: Mask = np.arange(size + count) >= size
    names = [f"new-{number} like {fleet.names[like]}" for number in range(1, count + 1)]
    ids = [*fleet.ids, *(f"new-{number}" for number in range(1, count + 1))]
    wide = fleet.only(rows)
    return replace(
        wide, ids=ids, names=[*fleet.names, *names], rows={host: row for row, host in enumerate(ids)},
        accepting=wide.accepting | new, used=_blank(wide.used, new), spot=_blank(wide.spot, new),
        images={image: mask & ~new for image, mask in wide.images.items()}, mishaps=np.where(new, 0.0, wide.mishaps),
    )  # fmt: skip


def _blank(column: NDArray[np.int64], new: Mask) -> NDArray[np.int64]:
    column = column.copy()
    column[new] = 0
    return column
