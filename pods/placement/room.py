"""How many more of each plan a fleet holds, which dimension ends first, and what room no plan can use. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pods.placement.explanation import SHORT
from pods.placement.masks import exclusive_mask, static_masks
from pods.placement.request import Amounts, Fleet, Mask, Need, PlacementRequest

ENDLESS = np.int64(2**62)
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan, as placement sees it."""

    name: str
    need: Need
    kind: str = "zone"
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    preemptible: bool = False

    def request(self, count: int = 1, pod: str | None = None, location: str | None = None) -> PlacementRequest:
        """So many of it, asked for by nobody in particular."""
        return PlacementRequest(
            need=self.need, kind=self.kind, count=count, pod=pod, location=location, required=self.required,
            forbidden=self.forbidden, preemptible=self.preemptible,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Room:
    """By host: `fits` counts each offer, `stranded` is what no offer can use, `first` numbers the dimension that ends first.

    `taking` marks the hosts that take guests and suit an offer; of others the rest says nothing.
    """

    taking: Mask
    fits: dict[str, Counts]
    stranded: Amounts
    first: Counts
    usable: Amounts = field(repr=False)


def room_of(fleet: Fleet, offers: Sequence[Offer]) -> Room:
    """Judge every host by itself.

    What stays free of a dimension even if the host is filled with the one plan that uses most of it is stranded, if a plan
    would still find enough of that dimension there: then another dimension is gone. Hosts that suit no plan strand nothing.
    """
    suits = {offer.name: suiting(fleet, offer) for offer in offers}
    fits = {offer.name: more_of(fleet, offer, suits[offer.name]) for offer in offers}
    usable = np.zeros_like(fleet.capacity)
    least = np.full_like(fleet.capacity, ENDLESS)
    mean, number = np.zeros(fleet.capacity.shape), np.zeros(len(fleet))
    for offer in offers:
        mask, want = suits[offer.name], offer.need.vector()
        usable = np.maximum(usable, fits[offer.name][:, None] * want)
        least = np.where(mask[:, None], np.minimum(least, want), least)
        mean, number = mean + mask[:, None] * want, number + mask
    taking: Mask = number > 0
    left = np.maximum(fleet.free - usable, 0)
    stranded: Amounts = np.where(taking[:, None] & (left >= least), left, 0)
    share = fleet.free * np.maximum(number, 1)[:, None] / np.maximum(mean, 1)
    return Room(taking, fits, stranded, share.argmin(axis=1) if len(fleet) else np.zeros(0, dtype=np.int64), usable)


def suiting(fleet: Fleet, offer: Offer, pod: str | None = None, location: str | None = None) -> Mask:
    """Hosts that may take the plan, room aside."""
    request = offer.request(pod=pod, location=location)
    mask: Mask = exclusive_mask(request, fleet).copy()
    for _, allowed in static_masks(request, fleet):
        mask &= allowed
    return mask


def firm_free(fleet: Fleet) -> Amounts:
    """What a guest finds that preemptible ones make room for."""
    lent = np.minimum(fleet.spot, np.maximum(fleet.capacity - fleet.used, 0))
    free: Amounts = fleet.free + lent
    return free


def more_of(fleet: Fleet, offer: Offer, suits: Mask) -> Counts:
    """How many more of the plan each host holds."""
    free = fleet.free if offer.preemptible else firm_free(fleet)
    number = np.full(len(fleet), ENDLESS, dtype=np.int64)
    for index, want in enumerate(offer.need.vector()):
        if want > 0:
            number = np.minimum(number, free[:, index] // want)
    return np.where(suits, number, 0)


def ends_first(fleet: Fleet, offer: Offer, suits: Mask) -> str:
    """The dimension that ends first on most of the hosts that suit; empty where none does."""
    if not suits.any():
        return ""
    free = fleet.free if offer.preemptible else firm_free(fleet)
    share = free[suits] / np.maximum(offer.need.vector(), 1)
    return most_common(share.argmin(axis=1))


def most_common(dimensions: Counts) -> str:
    """The word of the dimension named most often; empty for none."""
    return SHORT[int(np.bincount(dimensions, minlength=len(SHORT)).argmax())] if len(dimensions) else ""
