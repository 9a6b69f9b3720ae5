"""Puts many different guests on a board, each on the best host by the planner's own masks and scores.

What `plan` does for guests of one shape, done for a mixed crowd: shapes are judged once, and after each guest only the rows
that changed since. N+1 is not asked: a reserve is there to be used by guests that lost their host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pods.placement.board import Board, request_of
from pods.placement.explanation import SHORT
from pods.placement.masks import exclusive_mask, room_mask, static_masks
from pods.placement.request import Amounts, Guest, Mask
from pods.placement.scores import ALL, Column, Rows, Scorer

Barred = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Settled:
    """Where a guest goes: a row of the board's fleet, or None and the mask that stands in the way."""

    guest: Guest
    row: int | None
    reason: str = ""


class Settler:
    """Equal questions get equal answers: ties are broken by a shuffle with a fixed seed.

    `nowhere` is what a guest's `host` is when it has none; of others the present host's room is given back as they go.
    """

    def __init__(self, board: Board, weights: Mapping[str, float], nowhere: int = -1) -> None:
        self.board, self._weights, self._nowhere = board, weights, nowhere
        self.displaced: set[int] = set()
        fleet = board.fleet
        # What firm guests may take from preemptible ones once nothing else is left.
        self._lent: Amounts = np.minimum(fleet.spot, np.maximum(fleet.capacity - fleet.used, 0))
        self._lends = bool(self._lent.any())
        self._jitter: Column = np.random.default_rng(0).random(len(fleet)) * 1e-6
        self._changed: list[int] = []
        self._rankings: dict[tuple[object, ...], _Ranking] = {}

    def settle(self, guests: Sequence[Guest], within: Mapping[str, int]) -> list[Settled]:
        """Put them in the given order; `within` names by id those that stay in a pod, by its number."""
        return [self._settle(guest, within.get(guest.id)) for guest in guests]

    def _settle(self, guest: Guest, pod: int | None) -> Settled:
        moving = guest.host != self._nowhere
        if moving:  # it does not stand in its own way
            self.board.take(guest, guest.host)
        row, reason = self._find(guest, pod)
        if row is not None:
            self.board.put(guest, row)
            self._changed += [guest.host, row] if moving else [row]
        elif moving:
            self.board.put(guest, guest.host)
        return Settled(guest, row, reason)

    def _find(self, guest: Guest, pod: int | None) -> tuple[int | None, str]:
        ranking = self._ranking(guest, pod)
        barred = self.board.barred(guest)
        row = ranking.best(barred)
        if row is None and self._lends and not guest.preemptible:
            row = ranking.best_displacing(barred, self._lent)
            self.displaced |= set() if row is None else {row}
        if row is not None:
            return row, ""
        return None, ranking.reason(barred, 0 * self._lent if guest.preemptible else self._lent)

    def _ranking(self, guest: Guest, pod: int | None) -> _Ranking:
        owner = self.board.fleet.owners.get(guest.account, -2)
        key = (guest.need, guest.kind, guest.required, guest.forbidden, owner, guest.preemptible, guest.image, pod)
        if key not in self._rankings:
            self._rankings[key] = _Ranking(self.board, guest, pod, self._weights, self._jitter, self._changed)
        return self._rankings[key]


class _Ranking:
    """All rows as guests of one shape see them."""

    def __init__(
        self, board: Board, guest: Guest, pod: int | None, weights: Mapping[str, float], jitter: Column, changed: list[int]
    ) -> None:
        self._board, self._guest, self._pod, self._changed, self._jitter = board, guest, pod, changed, jitter
        self._want = guest.need.vector()
        self._suits = board.suits(guest) if pod is None else board.suits(guest) & (board.fleet.pod == pod)
        self._scorer = Scorer(request_of(guest), board.fleet, weights)
        self._nobody = np.zeros(len(board.fleet), dtype=np.int64)
        self._score: Column = np.zeros(len(board.fleet))
        self._ranked: Column = np.zeros(len(board.fleet))
        self._judge(ALL)
        self._seen = len(changed)

    def _judge(self, rows: Rows) -> None:
        free = self._board.free
        jitter = self._jitter[rows]
        self._score[rows] = self._scorer.total(self._scorer.terms(free, self._nobody, rows), len(jitter)) + jitter
        fits = self._suits[rows] & room_mask(free[rows], self._want)
        self._ranked[rows] = np.where(fits, self._score[rows], -np.inf)

    def _refresh(self) -> None:
        if self._seen < len(self._changed):
            self._judge(np.unique(np.array(self._changed[self._seen :], dtype=np.int64)))
            self._seen = len(self._changed)

    def best(self, barred: Barred) -> int | None:
        """The best row with room; None where there is none."""
        self._refresh()
        return _highest(self._ranked, barred)

    def best_displacing(self, barred: Barred, lent: Amounts) -> int | None:
        """The best row that has room once preemptible guests leave it."""
        fits = self._suits & room_mask(self._board.free + lent, self._want)
        return _highest(np.where(fits, self._score, -np.inf), barred)

    def reason(self, barred: Barred, lent: Amounts) -> str:
        """The mask that ends it: the one that leaves no host, or the dimension that most of the suitable hosts lack."""
        if not self._suits.any():
            return self._first_static()
        free = self._board.free + lent
        if len(barred) and bool((self._suits & room_mask(free, self._want)).any()):
            return "spread"
        lacks = (self._want - free[self._suits]) > 0
        return SHORT[int(np.argmax(lacks.sum(axis=0)))]

    def _first_static(self) -> str:
        fleet, request = self._board.fleet, request_of(self._guest)
        masks: list[tuple[str, Mask]] = list(static_masks(request, fleet))
        masks.append(("exclusive", exclusive_mask(request, fleet)))
        left: Mask = np.ones(len(fleet), dtype=np.bool_) if self._pod is None else fleet.pod == self._pod
        for name, mask in masks:
            left = left & mask
            if not left.any():
                return name
        return "pod"


def _highest(ranked: Column, barred: Barred) -> int | None:
    if not len(ranked):
        return None
    if len(barred):
        ranked = ranked.copy()
        ranked[barred] = -np.inf
    row = int(np.argmax(ranked))
    return None if ranked[row] == -np.inf else row
