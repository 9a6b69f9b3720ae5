"""Moves: which guests should go where, in which order, and why the others stay. Pure: a fleet and its guests in, a plan out.

A guest stays in its pod, for its address belongs to the pod's network. While it moves, both ends hold its room, and what
a move will free is never promised to a later one of the same plan: so a plan cannot oversell in whatever order, and however
many at once, its moves are carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pods.placement.board import Board, largest_first, request_of
from pods.placement.explanation import reasons
from pods.placement.planner import plan
from pods.placement.request import Amounts, Fleet, Guest, Mask, PlacementRequest
from pods.placement.reserve import Reserve
from pods.placement.scores import DEFAULT_WEIGHTS, Scorer
from pods.placement.shares import gap, imbalance, shares

# How many of the most unequal hosts a rebalance looks at for its next move, and how many moves one plan has at most.
SOURCES = 16
MOST_MOVES = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly moves go: MiB a second of one copy, seconds that a move takes besides, and how many run at once."""

    mib_per_s: float = 100.0
    besides_s: float = 5.0
    parallel: int = 2
    per_source: int = 2
    per_target: int = 2

    def seconds(self, guest: Guest) -> float:
        """The longest that one move should take: its whole disk is counted, used or not."""
        return self.besides_s + guest.need.disk_gib * 1024 / max(self.mib_per_s, 0.001)


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One guest from one row of the fleet to another. `gain` is by how much two hosts come nearer (rebalance only)."""

    guest: Guest
    source: int
    target: int
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Stuck:
    """A guest that stays, and why."""

    guest: Guest
    reason: str


@dataclass(frozen=True, slots=True)
class MovePlan:
    """Moves in order, what stays and why, and how the fleet looks before and after (what is promised, by row)."""

    moves: tuple[PlannedMove, ...]
    stuck: tuple[Stuck, ...]
    seconds: float
    before: Amounts = field(compare=False)
    after: Amounts = field(compare=False)
    imbalance_before: float = 0.0
    imbalance_after: float = 0.0


def plan_evacuation(
    fleet: Fleet,
    guests: Sequence[Guest],
    rows: Collection[int],
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    *,
    blocked: Mapping[str, str] | None = None,
    pace: Pace | None = None,
) -> MovePlan:
    """Where the guests on `rows` would go, bulkiest first. `guests` are all whose groups matter, on other hosts too.

    `blocked` says by guest id why a guest cannot be moved now. Hosts among `rows` receive nothing.
    """
    blocked, leaving = blocked or {}, set(rows)
    # As it will be when they are drained, whether they are by now or not: none of them absorbs anything either.
    accepting = fleet.accepting & ~np.isin(np.arange(len(fleet)), list(leaving))
    moving = _Moving(replace(fleet, accepting=accepting), guests, leaving, weights)
    stuck: list[Stuck] = []
    for guest in largest_first([guest for guest in guests if guest.host in leaving], fleet):
        reason = blocked.get(guest.id) or moving.move_best(guest)
        if reason:
            stuck.append(Stuck(guest, reason))
    return moving.plan(stuck, pace or Pace())


def plan_rebalance(
    fleet: Fleet,
    guests: Sequence[Guest],
    minimum_gain: float,
    *,
    blocked: Mapping[str, str] | None = None,
    pace: Pace | None = None,
    most: int = MOST_MOVES,
) -> MovePlan:
    """Moves that make the hosts of each pod more alike, the one that evens most first, each guest at most once.

    A move's gain is by how much the loads of its two hosts come nearer (0.05: five percentage points), all dimensions
    together; one that gains less than `minimum_gain` (above zero), or leaves the pod less even, is not made. An even fleet
    gets an empty plan. Guests in `blocked` stay, and are named only if the fleet would be more even without them.
    """
    if minimum_gain <= 0:
        raise ValueError("a move without a gain is churn: the minimum must be above zero")
    blocked = blocked or {}
    moving = _Moving(fleet, guests, (), DEFAULT_WEIGHTS)
    while len(moving.moves) < most and moving.move_for_balance(minimum_gain, blocked):
        pass
    stuck = [] if len(moving.moves) >= most else moving.wished(minimum_gain, blocked)
    return moving.plan(stuck, pace or Pace())


def why_not(fleet: Fleet, guests: Sequence[Guest], guest: Guest, target: int) -> str:
    """Why the guest cannot move to that row as things are; empty when it can. `guests` are all whose groups matter."""
    moving = _Moving(fleet, guests, (), DEFAULT_WEIGHTS)
    others = set(range(len(fleet))) - {target, guest.host}
    moving.leaving[list(others)] = True  # nowhere else
    if moving.targets(guest)[target]:
        return "" if moving.absorbed(guest, target) else moving.why(guest, 1)
    return moving.why(guest, 0)


def duration(moves: Sequence[PlannedMove], pace: Pace) -> float:
    """Seconds until the last of the moves has ended, each begun as soon as the limits on moves at once allow, in order."""
    lanes = [0.0] * max(1, pace.parallel)
    ends: dict[tuple[str, int], list[float]] = {}
    for move in moves:
        keys = ((("from", move.source), pace.per_source), (("to", move.target), pace.per_target))
        begin = min(lanes)
        for key, at_once in keys:
            later = sorted(ends.get(key, []))
            begin = max(begin, later[-at_once] if len(later) >= at_once else 0.0)
        end = begin + pace.seconds(move.guest)
        lanes[lanes.index(min(lanes))] = end
        for key, _ in keys:
            ends.setdefault(key, []).append(end)
    return max(lanes)


@dataclass(frozen=True, slots=True)
class _Step:
    """A possible target, by how much the two hosts would come nearer, and by how much the whole pod's unevenness would fall."""

    row: int
    gain: float
    fall: float


class _Moving:
    """A plan in the making. Room of both ends stays held on the board; `load` is how the fleet will look at the end."""

    def __init__(self, fleet: Fleet, guests: Sequence[Guest], rows: Collection[int], weights: Mapping[str, float]) -> None:
        self.fleet, self.guests, self.weights = fleet, guests, weights
        self.board = Board(fleet, guests)
        self.load: Amounts = fleet.used + fleet.spot
        self.moves: list[PlannedMove] = []
        self.leaving: Mask = np.zeros(len(fleet), dtype=np.bool_)
        self.leaving[list(rows)] = True
        self._reserves: dict[int, Reserve] = {}
        self._moved: set[str] = set()

    def plan(self, stuck: Sequence[Stuck], pace: Pace) -> MovePlan:
        """What was found."""
        before = self.fleet.used + self.fleet.spot
        return MovePlan(
            tuple(self.moves), tuple(stuck), duration(self.moves, pace), before, self.load,
            imbalance(self.fleet, before), imbalance(self.fleet, self.load),
        )  # fmt: skip

    def targets(self, guest: Guest) -> Mask:
        """Hosts of its pod that may take it now by every rule but N+1. It does not count as a member of its own group."""
        self.board.take(guest, guest.host)
        mask = self.board.fits(guest)
        self.board.put(guest, guest.host)
        mask &= (self.fleet.pod == self.fleet.pod[guest.host]) & ~self.leaving
        mask[guest.host] = False
        return mask

    def make(self, guest: Guest, target: int, gain: float = 0.0) -> None:
        """Put it there. Its old room stays held; it leaves its group's count only where the pod counts, which it stays in."""
        self.board.put(guest, target)
        if guest.spread == "pod":
            self.board.take(guest, guest.host)
            self.board.free[guest.host] -= guest.need.vector()
        self.load = self.load.copy()
        self.load[guest.host] -= guest.need.vector()
        self.load[target] += guest.need.vector()
        self._moved.add(guest.id)
        self.moves.append(PlannedMove(guest, guest.host, target, gain))

    # --- evacuation

    def move_best(self, guest: Guest) -> str:
        """Move it to the best host that takes it; answers why not, where none does."""
        mask = self.targets(guest)
        unabsorbed = 0
        for row in self._by_score(guest, mask):
            if self.absorbed(guest, row):
                self.make(guest, row)
                return ""
            unabsorbed += 1
        return self.why(guest, unabsorbed)

    def _by_score(self, guest: Guest, mask: Mask) -> list[int]:
        """Best first; equal ones by row, so that the same question gets the same plan."""
        rows: NDArray[np.int64] = np.flatnonzero(mask)
        if not len(rows):
            return []
        scorer = Scorer(self._request(guest), self.fleet, self.weights)
        members = np.zeros(len(self.fleet), dtype=np.int64)
        total = scorer.total(scorer.terms(self.board.free, members, rows), len(rows))
        return [int(row) for row in rows[np.argsort(-total, kind="stable")]]

    def _request(self, guest: Guest) -> PlacementRequest:
        near = Counter(self.fleet.ids[other.host] for other in self.guests if other.account == guest.account and guest.account)
        return replace(request_of(guest), neighbours=near)

    def absorbed(self, guest: Guest, row: int) -> bool:
        """N+1 as it will be once the guest has left its old host, where the pod asks for it. Kept up to date if it holds."""
        pod = int(self.fleet.pod[row])
        if not self.fleet.pods[pod].n_plus_one or guest.preemptible:
            return True
        if pod not in self._reserves:
            self._reserves[pod] = Reserve(self.fleet, pod, self.fleet.residents)
        reserve = self._reserves[pod]
        left = reserve.leave(guest.host, guest.id)
        if reserve.allows(row, guest):
            reserve.add(row, guest)
            return True
        if left is not None:
            reserve.add(guest.host, left)
        return False

    def why(self, guest: Guest, unabsorbed: int) -> str:
        """The reason in words: what each rule took out of the pod's other hosts."""
        pod = self.fleet.pods[int(self.fleet.pod[guest.host])].slug
        used = self.fleet.capacity - self.board.free - self.fleet.spot
        seen = replace(self.fleet, used=used, residents=(), pods=[replace(one, n_plus_one=False) for one in self.fleet.pods])
        rows = np.flatnonzero((seen.pod == seen.pod[guest.host]) & ~self.leaving & (np.arange(len(seen)) != guest.host))
        if not len(rows):
            return f"It must stay in pod {pod}, whose network holds its address, and the pod has no other host for it."
        told = plan(replace(request_of(guest), **self._company(guest)), seen.only(rows)).explanation
        words = reasons(told, guest.kind)
        if unabsorbed:
            words.append(f"{unabsorbed} needed in case another host is lost")
        return (
            f"It must stay in pod {pod}, whose network holds its address; of the {len(rows)} "
            f"host{'' if len(rows) == 1 else 's'} it might go to there, {', '.join(words) or 'none takes it'}."
        )

    def _company(self, guest: Guest) -> dict[str, Any]:
        """Its group as the plan has it so far, without itself."""
        if not guest.group or guest.spread == "none":
            return {}
        where = {move.guest.id: move.target for move in self.moves}
        others = [other for other in self.guests if other.group == guest.group and other.id != guest.id]
        members = Counter(self.fleet.ids[where.get(other.id, other.host)] for other in others)
        return {"spread": guest.spread, "spread_limit": guest.spread_limit, "members": members}

    # --- rebalancing

    def move_for_balance(self, minimum: float, blocked: Mapping[str, str]) -> bool:
        """Make the move that evens most; False when none gains enough."""
        movable = [guest for guest in self._candidates() if guest.id not in blocked]
        found = [(step, guest) for guest in movable for step in self._steps(guest, minimum)]
        for step, guest in sorted(found, key=lambda item: (-round(item[0].fall, 9), item[1].id, item[0].row)):
            if self.absorbed(guest, step.row):
                self.make(guest, step.row, step.gain)
                return True
        return False

    def wished(self, minimum: float, blocked: Mapping[str, str]) -> list[Stuck]:
        """Guests whose move would gain enough, and that cannot be moved now."""
        wanted = [guest for guest in self._candidates() if guest.id in blocked]
        return [Stuck(guest, blocked[guest.id]) for guest in wanted if self._steps(guest, minimum)]

    def _candidates(self) -> list[Guest]:
        """Guests that were not moved yet, on the hosts that differ most from the mean of their pods."""
        share = shares(self.fleet, self.load)
        over = np.zeros(len(self.fleet))
        for pod in range(len(self.fleet.pods)):
            rows = self.fleet.pod == pod
            if rows.any():
                over[rows] = (share[rows] - share[rows].mean(axis=0)).max(axis=1)
        chosen = {int(row) for row in np.argsort(-over, kind="stable")[:SOURCES] if over[row] > 0}
        return [guest for guest in self.guests if guest.host in chosen and guest.id not in self._moved]

    def _steps(self, guest: Guest, minimum: float) -> list[_Step]:
        """Where it might go, as far as that gains enough and leaves the pod more even."""
        rows: NDArray[np.int64] = np.flatnonzero(self.targets(guest))
        if not len(rows):
            return []
        want = guest.need.vector()
        share = shares(self.fleet, self.load)
        size = np.maximum(self.fleet.capacity, 1)
        source, there = share[guest.host], share[rows]
        after_source, after_there = source - want / size[guest.host], there + want / size[rows]
        gain = gap(source, there) - gap(after_source, after_there)
        fall = _fall(share[self.fleet.pod == self.fleet.pod[guest.host]], (source, there), (after_source, after_there))
        chosen = np.flatnonzero((gain >= minimum) & (fall > 1e-12))
        return [_Step(int(rows[number]), float(gain[number]), float(fall[number])) for number in chosen]


def _fall(
    pod: NDArray[np.float64],
    before: tuple[NDArray[np.float64], NDArray[np.float64]],
    after: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """By how much the pod's sum of squared distances from its mean falls when a host and each of several others change."""
    size, total = len(pod), pod.sum(axis=0)
    squares = (before[0] ** 2 + before[1] ** 2 - after[0] ** 2 - after[1] ** 2).sum(axis=1)
    new_total = total + (after[0] - before[0]) + (after[1] - before[1])
    fall: NDArray[np.float64] = squares - ((total**2).sum() - (new_total**2).sum(axis=1)) / size
    return fall
