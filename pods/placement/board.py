"""A copied fleet on which guests are put and taken away: what N+1, evacuation, rebalancing and what-if stand on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pods.placement.masks import exclusive_mask, room_mask, static_masks
from pods.placement.request import Amounts, Fleet, Guest, Mask, PlacementRequest


def request_of(guest: Guest) -> PlacementRequest:
    """What the guest would ask for if it were made anew; its group is the board's matter."""
    return PlacementRequest(
        need=guest.need, kind=guest.kind, required=guest.required, forbidden=guest.forbidden, image=guest.image or None,
        account=guest.account, preemptible=guest.preemptible,
    )  # fmt: skip


class Board:
    """Free room and groups as they would be. The fleet itself is never changed.

    `guests` need be only those whose groups matter; room is taken from the fleet's own sums.
    """

    def __init__(self, fleet: Fleet, guests: Sequence[Guest] = ()) -> None:
        self.fleet = fleet
        self.free: Amounts = fleet.free.copy()
        self._on_host: dict[str, Counter[int]] = defaultdict(Counter)
        self._in_pod: dict[str, Counter[int]] = defaultdict(Counter)
        self._static: dict[tuple[object, ...], Mask] = {}
        for guest in guests:
            self._join(guest, guest.host, 1)

    def fits(self, guest: Guest) -> Mask:
        """Hosts that may take the guest now, by every rule but N+1."""
        mask = self.suits(guest) & room_mask(self.free, guest.need.vector())
        mask[self.barred(guest)] = False
        return mask

    def barred(self, guest: Guest) -> NDArray[np.int64]:
        """Rows on which the guest's group has no place left."""
        full = [where for where, count in self._together(guest).items() if count >= guest.spread_limit]
        if not full or guest.spread == "host":
            return np.array(full, dtype=np.int64)
        rows: NDArray[np.int64] = np.flatnonzero(np.isin(self.fleet.pod, full))
        return rows

    def suits(self, guest: Guest) -> Mask:
        """Hosts that offer what the guest needs, room and group aside."""
        owner = self.fleet.owners.get(guest.account, -2)  # accounts without hosts of their own are alike
        key = (guest.kind, guest.required, guest.forbidden, owner, guest.preemptible)
        if key not in self._static:
            request = request_of(guest)
            mask: Mask = exclusive_mask(request, self.fleet).copy()
            for _, allowed in static_masks(request, self.fleet):
                mask &= allowed
            self._static[key] = mask
        return self._static[key]

    def _together(self, guest: Guest) -> Counter[int]:
        if not guest.group or guest.spread == "none":
            return Counter()
        return (self._on_host if guest.spread == "host" else self._in_pod)[guest.group]

    def put(self, guest: Guest, row: int) -> None:
        """The guest runs there now."""
        self.free[row] -= guest.need.vector()
        self._join(guest, row, 1)

    def take(self, guest: Guest, row: int) -> None:
        """The guest is gone from there."""
        self.free[row] += guest.need.vector()
        self._join(guest, row, -1)

    def _join(self, guest: Guest, row: int, number: int) -> None:
        if guest.group:
            self._on_host[guest.group][row] += number
            self._in_pod[guest.group][int(self.fleet.pod[row])] += number


def largest_first(guests: Sequence[Guest], fleet: Fleet) -> list[Guest]:
    """First-fit decreasing packs well when the bulkiest are placed first; bulk is the largest share of an average host."""
    if not guests:
        return []
    mean = np.maximum(fleet.capacity.mean(axis=0), 1.0) if len(fleet) else np.ones(3)
    bulk = {guest.id: float((guest.need.vector() / mean).max()) for guest in guests}
    return sorted(guests, key=lambda guest: (-bulk[guest.id], guest.id))
