"""The masks: which hosts may take a guest at all, each rule apart, in the order in which the explanation counts them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pods.placement.explanation import SHORT
from pods.placement.request import Amounts, Fleet, Mask, PlacementRequest


def static_masks(request: PlacementRequest, fleet: Fleet) -> Iterator[tuple[str, Mask]]:
    """Rules about the host itself; no pick changes them. Those that bar nobody are left out."""
    if request.excluded:
        yield "excluded", ~_rows_of(fleet, request.excluded)
    yield "state", fleet.accepting
    yield "pod", fleet.of_pods([pod.open and request.pod in (None, pod.slug) for pod in fleet.pods])
    if request.location is not None:
        yield "location", fleet.of_pods([pod.location == request.location for pod in fleet.pods])
    yield "kind", fleet.having(fleet.kinds, request.kind)
    if request.required or request.forbidden:
        yield "traits", _traits(fleet, request.required, request.forbidden)
    if request.image_traits:
        yield "image", _traits(fleet, request.image_traits, frozenset())
    if request.preemptible:
        yield "preemptible", fleet.lends


def exclusive_mask(request: PlacementRequest, fleet: Fleet) -> Mask:
    """An account's own hosts are for nobody else; an account that has hosts of its own may use shared ones too."""
    mine = fleet.owners.get(request.account, -2)
    shared: Mask = (fleet.owner == -1) | (fleet.owner == mine)
    return shared


def _traits(fleet: Fleet, required: frozenset[str], forbidden: frozenset[str]) -> Mask:
    mask: Mask = np.ones(len(fleet), dtype=np.bool_)
    for word in required:
        mask = mask & fleet.having(fleet.traits, word)
    for word in forbidden:
        mask = mask & ~fleet.having(fleet.traits, word)
    return mask


def _rows_of(fleet: Fleet, ids: frozenset[str]) -> Mask:
    return fleet.counts(dict.fromkeys(ids, 1)) > 0


def spread_mask(request: PlacementRequest, fleet: Fleet, members: NDArray[np.int64]) -> Mask | None:
    """Where the group has a place left; None without such a rule. `members` counts the group's guests by row."""
    if request.spread == "none" or request.spread_soft:
        return None
    together = members if request.spread == "host" else by_pod(fleet, members)
    room: Mask = together < request.spread_limit
    return room


def by_pod(fleet: Fleet, column: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each host's pod's sum of a column."""
    sums = np.bincount(fleet.pod, weights=column, minlength=len(fleet.pods)).astype(np.int64)
    spread: NDArray[np.int64] = sums[fleet.pod]
    return spread


def near_mask(request: PlacementRequest, fleet: Fleet) -> Mask | None:
    """Hosts of the group to be near to, where that is required."""
    return None if request.near is None or request.near_soft else _rows_of(fleet, request.near)


def room_mask(free: Amounts, want: Amounts) -> Mask:
    """Hosts with enough of every dimension. Column by column: far quicker than a reduction over rows of three."""
    mask: Mask = (free[:, 0] >= want[0]) & (free[:, 1] >= want[1]) & (free[:, 2] >= want[2])
    return mask


def dimension_masks(free: Amounts, want: Amounts) -> Iterator[tuple[str, Mask]]:
    """The same, one dimension at a time, by the name that people see."""
    for index, name in enumerate(SHORT):
        yield name, free[:, index] >= want[index]
