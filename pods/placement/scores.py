"""The score terms: which of the hosts that may take a guest should. Each is between 0 (bad) and 1 (good)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pods.placement.masks import by_pod
from pods.placement.request import Amounts, Fleet, PlacementRequest, shares_of

Column = NDArray[np.floating[Any]]
Rows = NDArray[np.int64] | slice
ALL = slice(None)

TERMS: Mapping[str, str] = {
    "balance": "Share of the host that is free, all dimensions together: spreads load.",
    "pack": "Share of the host that is used: fills hosts one after another. Give it weight instead of balance.",
    "tightest": "Free share of the host's scarcest dimension: spares hosts that are nearly out of one.",
    "pod_spread": "Free share of the host's pod: fills pods evenly.",
    "group_spread": "Few members of the group on the host (or in the pod), where the spread is preferred.",
    "near": "The host holds a member of the group to be near to, where that is preferred.",
    "owner_spread": "Few guests of the same account on the host: one host lost hurts each customer less.",
    "image_present": "The host has the image already.",
    "calm": "Nothing failed on the host lately.",
}
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "balance": 1.0,
    "pack": 0.0,
    "tightest": 0.5,
    "pod_spread": 0.25,
    "group_spread": 2.0,
    "near": 2.0,
    "owner_spread": 0.25,
    "image_present": 0.5,
    "calm": 1.0,
}


class Scorer:
    """The terms of one request over a fleet. What picks change (room, members) is passed in, so rows can be rescored."""

    def __init__(self, request: PlacementRequest, fleet: Fleet, weights: Mapping[str, float]) -> None:
        self._request = request
        self._fleet = fleet
        self._weights = {name: weights.get(name, 0.0) for name in TERMS}
        self._fixed = self._fixed_terms()
        self._alone: Column = 1.0 / (1.0 + fleet.counts(request.neighbours))

    def _fixed_terms(self) -> dict[str, Column]:
        """Terms that no pick changes."""
        fleet, request = self._fleet, self._request
        fixed = {
            "pod_spread": fleet.pod_share,
            "calm": 1.0 - fleet.mishaps,
            "image_present": fleet.having(fleet.images, request.image or "").astype(np.float64),
        }
        if request.near is not None and request.near_soft:
            fixed["near"] = (fleet.counts(dict.fromkeys(request.near, 1)) > 0).astype(np.float64)
        return fixed

    def terms(self, free: Amounts, members: NDArray[np.int64], rows: Rows = ALL) -> dict[str, Column]:
        """Every term that has a say, for the rows."""
        untouched = free is self._fleet.free and rows is ALL
        shares = self._fleet.shares if untouched else shares_of(free[rows], self._fleet.capacity[rows])
        found: dict[str, Column] = {
            "balance": shares.mean,
            "pack": 1.0 - shares.mean,
            "tightest": shares.least,
            "owner_spread": self._alone[rows],
            **{name: column[rows] for name, column in self._fixed.items()},
        }
        if self._request.spread != "none" and self._request.spread_soft:
            together = members if self._request.spread == "host" else by_pod(self._fleet, members)
            found["group_spread"] = 1.0 / (1.0 + together[rows])
        return {name: found[name] for name in TERMS if name in found and self._weights[name]}

    def total(self, terms: Mapping[str, Column], size: int) -> Column:
        """The weighted sum for `size` rows; zero where no term has a say."""
        total: Column = sum((self._weights[name] * column for name, column in terms.items()), start=np.zeros(size))
        return total

    @property
    def weights(self) -> dict[str, float]:
        """As used: for the explanation."""
        return {name: weight for name, weight in self._weights.items() if weight}
