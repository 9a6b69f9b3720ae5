"""N+1: whether a pod could absorb the loss of any one of its hosts, proven by packing that host's guests into the others.

For every host the guests it would leave are packed, bulkiest first, each where it leaves least room (best fit decreasing).
A packing found is a proof; one not found counts as a "no", so the rule may refuse where a cleverer packing exists, and
never accepts where none does. A guest may arrive on a host if every packing still holds afterwards, or a new one is found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pods.placement.board import Board, largest_first
from pods.placement.request import Amounts, Fleet, Guest, PlacementRequest

Packing = Mapping[int, Amounts]  # what each row would take over


@dataclass(frozen=True, slots=True)
class Headroom:
    """How a pod stands: hosts whose loss it could absorb, and those whose loss it could not, with the guests left over."""

    absorbed: tuple[int, ...]
    stranded: Mapping[int, tuple[str, ...]]


class Reserve:
    """One pod's packings, kept up to date while guests arrive. Rows are those of the whole fleet.

    Preemptible guests are nobody's duty: their room counts as free, and they need no new host.
    """

    def __init__(self, fleet: Fleet, pod: int, residents: Sequence[Guest]) -> None:
        self.rows: list[int] = [int(row) for row in np.flatnonzero(fleet.pod == pod)]
        self._local = {row: number for number, row in enumerate(self.rows)}
        inside = fleet.only(np.array(self.rows, dtype=np.int64))
        self._fleet = replace(inside, spot=np.zeros_like(inside.spot))
        self._guests: dict[int, list[Guest]] = defaultdict(list)
        for guest in residents:
            if guest.host in self._local and not guest.preemptible:
                here = self._local[guest.host]
                self._guests[here].append(replace(guest, host=here))
        self._board = Board(self._fleet, [guest for guests in self._guests.values() for guest in guests])
        self._packings: dict[int, Packing | None] = {lost: self._pack(lost)[0] for lost in range(len(self.rows))}

    def holds(self) -> bool:
        """Whether every loss can be absorbed as things are."""
        return all(packing is not None for packing in self._packings.values())

    def headroom(self) -> Headroom:
        """For people: which losses can be absorbed, and which guests would be left without a host."""
        stranded = {self.rows[lost]: self._pack(lost)[1] for lost, packing in self._packings.items() if packing is None}
        return Headroom(tuple(row for row in self.rows if row not in stranded), stranded)

    def allows(self, row: int, request: PlacementRequest | Guest) -> bool:
        """Whether one more guest on that row leaves every loss absorbable."""
        here = self._local[row]
        guest = _arrival(here, request)
        if any(packing is None for lost, packing in self._packings.items() if lost != here):
            return False
        self._board.put(guest, here)
        try:
            hurt = [lost for lost, packing in self._packings.items() if lost != here and self._hurts(packing, here)]
            if any(self._pack(lost)[0] is None for lost in hurt):
                return False
            return self._pack(here, [*self._guests[here], guest])[0] is not None
        finally:
            self._board.take(guest, here)

    def add(self, row: int, request: PlacementRequest | Guest) -> None:
        """The guest has arrived; packings that it hurts are made anew."""
        here = self._local[row]
        guest = _arrival(here, request)
        self._board.put(guest, here)
        self._guests[here].append(guest)
        for lost, packing in list(self._packings.items()):
            if lost == here or packing is None or self._hurts(packing, here):
                self._packings[lost] = self._pack(lost)[0]

    def leave(self, row: int, guest_id: str) -> Guest | None:
        """The guest is gone from that row; answers it, or None where it was not counted. Packings stay proofs: room grows."""
        here = self._local[row]
        gone = next((guest for guest in self._guests[here] if guest.id == guest_id), None)
        if gone is None:
            return None
        self._guests[here].remove(gone)
        self._board.take(gone, here)
        for lost, packing in list(self._packings.items()):
            if lost == here or packing is None:
                self._packings[lost] = self._pack(lost)[0]
        return gone

    def _hurts(self, packing: Packing | None, here: int) -> bool:
        """Whether what the packing puts on the row no longer fits there."""
        return packing is not None and here in packing and bool((packing[here] > self._board.free[here]).any())

    def _pack(self, lost: int, guests: Sequence[Guest] | None = None) -> tuple[Packing | None, tuple[str, ...]]:
        """Where a lost host's guests would go, or None with the names of those that find nothing."""
        leaving = largest_first(self._guests[lost] if guests is None else guests, self._fleet)
        taken: dict[int, Amounts] = {}
        moved: list[tuple[Guest, int]] = []
        left_over: list[str] = []
        for guest in leaving:
            self._board.take(guest, lost)
        for guest in leaving:
            row = self._best_fit(guest, lost)
            if row is None:
                left_over.append(guest.name)
                continue
            self._board.put(guest, row)
            moved.append((guest, row))
            taken[row] = taken.get(row, 0) + guest.need.vector()
        for guest, row in moved:
            self._board.take(guest, row)
        for guest in leaving:
            self._board.put(guest, lost)
        return (None if left_over else taken), tuple(left_over)

    def _best_fit(self, guest: Guest, lost: int) -> int | None:
        mask = self._board.fits(guest)
        mask[lost] = False
        rows: NDArray[np.int64] = np.flatnonzero(mask)
        if not len(rows):
            return None
        left = (self._board.free[rows] - guest.need.vector()) / np.maximum(self._fleet.capacity[rows], 1)
        return int(rows[int(np.argmin(left.sum(axis=1)))])


def _arrival(here: int, request: PlacementRequest | Guest) -> Guest:
    """The guest asked for, as if it were there; the group of a new one is judged by the spread mask, not here."""
    if isinstance(request, Guest):
        return replace(request, host=here)
    return Guest(
        id="", name="the guest asked for", host=here, need=request.need, kind=request.kind, account=request.account,
        required=request.required, forbidden=request.forbidden,
    )  # fmt: skip
