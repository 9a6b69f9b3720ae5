"""The planner: which hosts should take these guests, and why. Pure: plain arrays in, a decision out.

Masks run in a fixed order and each counts what it removes; those counts are the explanation. What is left is scored by
named, weighted terms; ties are broken by a shuffle, so that planners side by side disperse. Room that preemptible guests
use is given only when nothing else is left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pods.placement.explanation import MASKS, SHORT, Decision, Explanation
from pods.placement.masks import dimension_masks, exclusive_mask, near_mask, room_mask, spread_mask, static_masks
from pods.placement.request import DIMENSIONS, UNITS, Amounts, Fleet, Mask, PlacementRequest
from pods.placement.reserve import Reserve
from pods.placement.scores import DEFAULT_WEIGHTS, Column, Scorer

# How many of the best hosts a claim may choose among, and how many are explained.
CANDIDATES = 32
EXPLAINED = 5
NEAREST = 3


def plan(
    request: PlacementRequest,
    fleet: Fleet,
    *,
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    rng: Random | None = None,
) -> Decision:
    """Choose a host for each of `count` guests, consuming room virtually from one pick to the next."""
    began = time.perf_counter()
    picking = _Picking(request, fleet, weights, rng or Random())
    while len(picking.picks) < request.count:
        if not picking.pick() and not picking.displace():
            break
    decision = picking.decision()
    took = round((time.perf_counter() - began) * 1000, 3)
    return replace(decision, explanation=replace(decision.explanation, took_ms=took))


class _Picking:
    """One decision in the making. After a pick only the rows it touched are judged again."""

    def __init__(self, request: PlacementRequest, fleet: Fleet, weights: Mapping[str, float], rng: Random) -> None:
        self.request, self.fleet = request, fleet
        self.want = request.need.vector()
        self.free: Amounts = fleet.free  # copied before the first pick
        self.members = fleet.counts(request.members)
        self.picks: list[int] = []
        self.displaced: set[int] = set()
        self._relaxed = False
        self._reserves: dict[int, Reserve] = {}
        self._scorer = Scorer(request, fleet, weights)
        # Rules that no pick changes: those asked before the dimensions, and those asked after them.
        self._before = dict(static_masks(request, fleet))
        near = near_mask(request, fleet)
        self._after = {} if near is None else {"near": near}
        self._after["exclusive"] = exclusive_mask(request, fleet)
        self._allowed = self._allow()
        self._jitter = fleet.noise(rng.getrandbits(32))
        self._fits = self._judge()
        self._score: Column = self._scorer.total(self._scorer.terms(self.free, self.members), len(fleet)) + self._jitter
        self._ranked: Column = np.where(self._fits, self._score, -np.inf)
        self._first = self._best(CANDIDATES)

    def _allow(self) -> Mask:
        """Rules that no pick changes, all together."""
        allowed: Mask = np.ones(len(self.fleet), dtype=np.bool_)
        for mask in (*self._before.values(), *self._after.values()):
            allowed &= mask
        return allowed

    def _judge(self) -> Mask:
        fits: Mask = self._allowed & room_mask(self.free, self.want)
        apart = spread_mask(self.request, self.fleet, self.members)
        return fits if apart is None else fits & apart

    def _best(self, number: int) -> NDArray[np.int64]:
        """The best rows that fit, best first."""
        if not len(self._ranked):
            return np.zeros(0, dtype=np.int64)
        number = min(number, len(self._ranked))
        rows = np.argpartition(-self._ranked, number - 1)[:number]
        rows = rows[np.argsort(-self._ranked[rows])]
        best: NDArray[np.int64] = rows[self._ranked[rows] > -np.inf]
        return best

    def pick(self) -> bool:
        """Take the best host left; False when none fits."""
        while len(self._ranked):
            row = int(np.argmax(self._ranked))
            if self._ranked[row] == -np.inf:
                return False
            if self._absorbed(row):
                self._put(row)
                return True
            self._ranked[row] = -np.inf  # until something changes in favour, which no pick does
        return False

    def displace(self) -> bool:
        """Count the room of preemptible guests as free from now on; False if that was done, or may not be."""
        if self._relaxed or self.request.preemptible or not self.fleet.spot.any():
            return False
        self._relaxed = True
        self.free = self.free + np.minimum(self.fleet.spot, np.maximum(self.fleet.capacity - self.fleet.used, 0))
        self._ranked = np.where(self._judge(), self._score, -np.inf)
        return True

    def _put(self, row: int) -> None:
        if self.free is self.fleet.free:
            self.free = self.free.copy()
        self.picks.append(row)
        self.free[row] -= self.want
        self.members[row] += 1
        reserve = self._reserve(row)
        if reserve is not None:
            reserve.add(row, self.request)
        if self._relaxed and bool((self.free[row] < self._spot_left(row)).any()):
            self.displaced.add(row)
        self._rejudge(np.flatnonzero(self.fleet.pod == self.fleet.pod[row]) if self.request.spread == "pod" else np.array([row]))

    def _spot_left(self, row: int) -> Amounts:
        left: Amounts = self.fleet.spot[row]
        return left

    def _rejudge(self, rows: NDArray[np.int64]) -> None:
        """Mask and score of the rows that the last pick touched."""
        terms = self._scorer.terms(self.free, self.members, rows)
        self._score[rows] = self._scorer.total(terms, len(rows)) + self._jitter[rows]
        fits = self._allowed[rows] & room_mask(self.free[rows], self.want)
        apart = spread_mask(self.request, self.fleet, self.members)
        if apart is not None:
            fits = fits & apart[rows]
        self._ranked[rows] = np.where(fits & (self._ranked[rows] > -np.inf), self._score[rows], -np.inf)

    def _reserve(self, row: int) -> Reserve | None:
        """The pod's N+1 proof, where it asks for one."""
        pod = int(self.fleet.pod[row])
        if not self._guarded(row) or self.request.preemptible:
            return None
        if pod not in self._reserves:
            self._reserves[pod] = Reserve(self.fleet, pod, self.fleet.residents)
        return self._reserves[pod]

    def _guarded(self, row: int) -> bool:
        return self.fleet.pods[int(self.fleet.pod[row])].n_plus_one

    def _absorbed(self, row: int) -> bool:
        reserve = self._reserve(row)
        return reserve is None or reserve.allows(row, self.request)

    # --- the explanation -----------------------------------------------------------------------------------------------

    def decision(self) -> Decision:
        """What was decided, and why."""
        ids = self.fleet.ids
        explanation = self._explain()
        return Decision(
            hosts=tuple(ids[row] for row in self.picks),
            explanation=explanation,
            candidates=tuple(ids[int(row)] for row in self._first if not self._guarded(int(row))),
            displaced=frozenset(ids[row] for row in self.displaced),
        )

    def _explain(self) -> Explanation:
        """Counted as things were before any pick if all were placed, else after the last one."""
        whole = len(self.picks) == self.request.count
        free = self.fleet.free if whole else self.free
        members = self.fleet.counts(self.request.members) if whole else self.members
        removed, left, eligible = self._count(free, members)
        if any(pod.n_plus_one for pod in self.fleet.pods):
            removed["n_plus_one"] = self._count_unabsorbed(left, whole)
        short = {name: removed.pop(name) for name in SHORT}
        return Explanation(
            evaluated=len(self.fleet), removed=removed, short=short, top=self._top(),
            nearest=() if whole else self._nearest(free, eligible), weights=self._scorer.weights,
            asked=self.request.count, placed=len(self.picks), displaces=len(self.displaced),
        )  # fmt: skip

    def _count(self, free: Amounts, members: NDArray[np.int64]) -> tuple[dict[str, int], Mask, Mask]:
        """What each mask takes out of what those before it left; the rest; and the hosts that only lack room."""
        ordered = {**self._before, **dict(dimension_masks(free, self.want))}
        apart = spread_mask(self.request, self.fleet, members)
        if apart is not None:
            ordered["spread"] = apart
        ordered |= self._after
        left: Mask = np.ones(len(self.fleet), dtype=np.bool_)
        eligible = left
        removed = dict.fromkeys((name for name in MASKS if name != "excluded" or self.request.excluded), 0)
        for name, mask in ordered.items():
            removed[name] = int((left & ~mask).sum())
            left = left & mask
            if name not in SHORT:
                eligible = eligible & mask
        return removed, left, eligible

    def _count_unabsorbed(self, left: Mask, whole: bool) -> int:
        """Hosts that every other rule allows and N+1 does not."""
        if whole:  # as before any pick: the proofs made since know the picks
            self._reserves = {}
        guarded = left & self.fleet.of_pods([pod.n_plus_one for pod in self.fleet.pods])
        return sum(not self._absorbed(int(row)) for row in np.flatnonzero(guarded))

    def _nearest(self, free: Amounts, eligible: Mask) -> tuple[str, ...]:
        """The hosts that lack least, each with what it lacks."""
        lacks = np.maximum(self.want - free, 0)
        share = (lacks / np.maximum(self.want, 1)).sum(axis=1)
        rows = np.flatnonzero(eligible & (share > 0))
        rows = rows[np.argsort(share[rows], kind="stable")][:NEAREST]
        return tuple(_lack(self.fleet.names[int(row)], lacks[row]) for row in rows)

    def _top(self) -> tuple[dict[str, Any], ...]:
        """The best hosts as they were before the first pick."""
        rows = self._first[:EXPLAINED]
        terms = self._scorer.terms(self.fleet.free, self.fleet.counts(self.request.members), rows)
        total = self._scorer.total(terms, len(rows))
        return tuple(
            {
                "host": self.fleet.names[int(row)],
                "score": round(float(total[number]), 4),
                "terms": {name: round(float(column[number]), 4) for name, column in terms.items()},
            }
            for number, row in enumerate(rows)
        )


def _lack(name: str, lacks: Amounts) -> str:
    parts = [f"{int(lacks[i])} {UNITS[d]}" for i, d in enumerate(DIMENSIONS) if lacks[i] > 0]
    return f"{name} lacks {' and '.join(parts)}"
