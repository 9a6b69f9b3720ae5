"""What if: the planner's own functions on copied arrays. Pure; nothing given is changed, and equal questions answer equal.

Guests of lost hosts are re-placed first, then those of drained hosts, each time the bulkiest first; preemptible ones after all
others, because nobody owes them a place; the plan asked for comes last. Within its pod stays whoever can: a guest's address
belongs to its pod's network. Only guests whose whole pod is lost may go to another one, as if made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np

from pods.placement.board import Board, largest_first
from pods.placement.explanation import SHORT, Explanation
from pods.placement.planner import plan
from pods.placement.request import Fleet, Guest
from pods.placement.reserve import Reserve
from pods.placement.room import Offer, ends_first, most_common, room_of, suiting
from pods.placement.settle import Settled, Settler
from pods.placement.stage import NOWHERE, More, Scenario, Stage, set_stage
from pods.placement.standing import PodAfter, StrandedHost, pods_after, stranded_hosts

# How many are named in each list; all are counted.
LISTED = 20


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A guest that finds no host, and the mask that stands in the way. `host` is the id of the one it leaves."""

    guest: str
    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rehomed:
    """What becomes of guests: `pods` counts where they go, `reasons` why the others find nothing."""

    guests: int
    placed: int
    pods: Mapping[str, int]
    reasons: Mapping[str, int]
    left_over: Sequence[LeftOver]


@dataclass(frozen=True, slots=True)
class MoreOf:
    """How many of a plan went where, with the planner's explanation, and the dimension that ends first for it."""

    plan: str
    count: int
    placed: int
    pods: Mapping[str, int]
    ends_first: str
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class PodHeadroom:
    """How many hosts' loss the pod absorbs, and for the others how many guests would be left over, with some of them."""

    pod: str
    hosts: int
    absorbed: int
    not_absorbed: Mapping[str, int]
    guests: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a scenario. `fits`: every guest that is owed a place has one, and all that was asked for more."""

    fits: bool
    ends_first: str
    hosts_before: int
    hosts_after: int
    lost: Rehomed
    drained: Rehomed
    preemptible: Rehomed
    displaced_hosts: int
    more: MoreOf | None
    pods: Sequence[PodAfter]
    stranded: Sequence[StrandedHost]
    headroom: Sequence[PodHeadroom]


def answer(
    scenario: Scenario, fleet: Fleet, guests: Sequence[Guest], offers: Sequence[Offer], weights: Mapping[str, float]
) -> Answer:
    """`guests` are at least those of the hosts that are lost or drained with the members of their groups, all those of the
    pods in `scenario.headroom`, and, where more is asked for, all those of the pods that ask for N+1.
    """
    stage = set_stage(scenario, fleet, guests)
    settler = Settler(Board(stage.fleet, [*stage.staying, *stage.drained]), weights, NOWHERE)
    firm = _settled(settler, stage, preemptible=False)
    idle = _settled(settler, stage, preemptible=True)
    after, residents = _apply(stage, [*firm, *idle])
    more, after, arrivals = _add(scenario.more, after, residents, weights)
    lost_ids = {guest.id for guest in stage.lost}
    lost = _rehomed([one for one in firm if one.guest.id in lost_ids], stage)
    drained = _rehomed([one for one in firm if one.guest.id not in lost_ids], stage)
    room = room_of(after, offers)
    return Answer(
        fits=lost.placed == lost.guests and drained.placed == drained.guests and (more is None or more.placed == more.count),
        ends_first=_ends_first(lost, drained, more) or most_common(room.first[room.taking]),
        hosts_before=len(fleet),
        hosts_after=len(after),
        lost=lost,
        drained=drained,
        preemptible=_rehomed(idle, stage),
        displaced_hosts=len(settler.displaced) + (more.explanation.displaces if more else 0),
        more=more,
        pods=pods_after(after, room),
        stranded=stranded_hosts(after, room, LISTED),
        headroom=[_headroom(after, slug, residents, arrivals) for slug in scenario.headroom],
    )


def _settled(settler: Settler, stage: Stage, *, preemptible: bool) -> list[Settled]:
    """Lost ones first, then drained ones."""
    lost = [guest for guest in stage.lost if guest.preemptible == preemptible]
    drained = [guest for guest in stage.drained if guest.preemptible == preemptible]
    crowd = [*largest_first(lost, stage.fleet), *largest_first(drained, stage.fleet)]
    return settler.settle(crowd, stage.within)


def _apply(stage: Stage, settled: Sequence[Settled]) -> tuple[Fleet, list[Guest]]:
    """The fleet once all have moved, and every known guest where it then is."""
    used, spot = stage.fleet.used.copy(), stage.fleet.spot.copy()
    residents = list(stage.staying)
    for one in settled:
        guest, row = one.guest, one.row
        if row is None:
            residents += [] if guest.host == NOWHERE else [guest]
            continue
        if guest.host != NOWHERE:
            _count(used, spot, guest, guest.host, -1)
        _count(used, spot, guest, row, 1)
        residents.append(replace(guest, host=row))
    return replace(stage.fleet, used=used, spot=spot), residents


def _count(used: Any, spot: Any, guest: Guest, row: int, sign: int) -> None:
    want = sign * guest.need.vector()
    if guest.preemptible:  # its disk counts as anybody's
        spot[row, :2] += want[:2]
        used[row, 2] += want[2]
    else:
        used[row] += want


def _add(
    more: More | None, fleet: Fleet, residents: Sequence[Guest], weights: Mapping[str, float]
) -> tuple[MoreOf | None, Fleet, list[Guest]]:
    """The planner's decision on `more`, the fleet with it, and the guests that came."""
    if more is None:
        return None, fleet, []
    request = more.offer.request(more.count, more.pod, more.location)
    decision = plan(request, _choice(fleet, residents, more.pod), weights=weights, rng=Random(0))
    arrivals = [
        Guest(f"more-{number}", f"one more {more.offer.name}", fleet.rows[host], more.offer.need, more.offer.kind,
              required=more.offer.required, forbidden=more.offer.forbidden, preemptible=more.offer.preemptible)
        for number, host in enumerate(decision.hosts, start=1)
    ]  # fmt: skip
    used, spot = fleet.used.copy(), fleet.spot.copy()
    for guest in arrivals:
        _count(used, spot, guest, guest.host, 1)
    after = replace(fleet, used=used, spot=spot)
    pods = Counter(fleet.pods[int(fleet.pod[guest.host])].slug for guest in arrivals)
    first = ends_first(after, more.offer, suiting(after, more.offer, more.pod, more.location))
    explanation = replace(decision.explanation, took_ms=0.0)
    return MoreOf(more.offer.name, more.count, len(arrivals), pods, first, explanation), after, arrivals


def _choice(fleet: Fleet, residents: Sequence[Guest], pod: str | None) -> Fleet:
    """What a claim plans on: the whole fleet, or the one pod that was named; with the guests of pods that ask for N+1."""
    inside = fleet.of_pods([pod in (None, one.slug) for one in fleet.pods])
    local = np.cumsum(inside) - 1
    guarded = inside & fleet.of_pods([one.n_plus_one for one in fleet.pods])
    known = [replace(guest, host=int(local[guest.host])) for guest in residents if guarded[guest.host]]
    return replace(fleet.only(np.flatnonzero(inside)), residents=known)


def _rehomed(settled: Sequence[Settled], stage: Stage) -> Rehomed:
    fleet = stage.fleet
    left = [one for one in settled if one.row is None]
    return Rehomed(
        guests=len(settled),
        placed=len(settled) - len(left),
        pods=Counter(fleet.pods[int(fleet.pod[one.row])].slug for one in settled if one.row is not None),
        reasons=Counter(one.reason for one in left),
        left_over=[LeftOver(one.guest.id, stage.origin[one.guest.id], one.reason) for one in left[:LISTED]],
    )


def _ends_first(lost: Rehomed, drained: Rehomed, more: MoreOf | None) -> str:
    """Of what was refused if anything was, else of what was asked for; empty if nothing says it."""
    short = Counter(lost.reasons) + Counter(drained.reasons)
    dimensions = [(number, word) for word, number in short.items() if word in SHORT]
    if dimensions:
        return max(dimensions)[1]
    return more.ends_first if more is not None else ""


def _headroom(fleet: Fleet, slug: str, residents: Sequence[Guest], arrivals: Sequence[Guest]) -> PodHeadroom:
    """Guests that are only supposed are counted, and not named."""
    pod = next(number for number, one in enumerate(fleet.pods) if one.slug == slug)
    found = Reserve(fleet, pod, [*residents, *arrivals]).headroom()
    supposed = {guest.name for guest in arrivals}
    listed = list(found.stranded.items())[:LISTED]
    return PodHeadroom(
        pod=slug,
        hosts=int(np.count_nonzero(fleet.pod == pod)),
        absorbed=len(found.absorbed),
        not_absorbed={fleet.names[row]: len(left) for row, left in found.stranded.items()},
        guests={fleet.names[row]: [name for name in left if name not in supposed][:LISTED] for row, left in listed},
    )
