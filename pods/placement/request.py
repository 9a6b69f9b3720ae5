"""What placement speaks: plain values, no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Amounts = NDArray[np.int64]

DIMENSIONS = ("cpu_m", "memory_mib", "disk_gib")
UNITS: Mapping[str, str] = {
    "cpu_m": "thousandths of a processor",
    "memory_mib": "MiB of memory",
    "disk_gib": "GiB of disk",
}


@dataclass(frozen=True, slots=True)
class Need:
    """What one guest takes."""

    cpu_m: int
    memory_mib: int
    disk_gib: int

    def vector(self) -> Amounts:
        """In the order of DIMENSIONS."""
        return np.array([self.cpu_m, self.memory_mib, self.disk_gib], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """`count` guests of one shape, and where they may go.

    `members` counts by host id the guests that the group has already; `near` holds the host ids of the group to be near
    to (None: no such wish); `neighbours` counts by host id the account's own guests. `excluded` hosts are no choice at all.
    """

    need: Need
    kind: str
    count: int = 1
    pod: str | None = None
    location: str | None = None
    image: str | None = None
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    image_traits: frozenset[str] = frozenset()
    account: str = ""
    preemptible: bool = False
    spread: str = "none"
    spread_limit: int = 1
    spread_soft: bool = False
    members: Mapping[str, int] = field(default_factory=dict)
    near: frozenset[str] | None = None
    near_soft: bool = True
    neighbours: Mapping[str, int] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What placement asks of a pod."""

    slug: str
    location: str = ""
    open: bool = True
    n_plus_one: bool = False


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that is there already: what it takes, and what a new host of it must offer. `host` is a row of the fleet."""

    id: str
    name: str
    host: int
    need: Need
    kind: str = "zone"
    account: str = ""
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    image: str = ""
    group: str = ""
    spread: str = "none"
    spread_limit: int = 1
    preemptible: bool = False
    running: bool = True


@dataclass(frozen=True, slots=True)
class Shares:
    """What is free of hosts: the mean of the dimensions, and the least of them."""

    mean: NDArray[np.floating[Any]]
    least: NDArray[np.floating[Any]]


def shares_of(free: Amounts, capacity: Amounts) -> Shares:
    """Of rows of equal number."""
    share = free / np.maximum(capacity, 1)
    cpu, memory, disk = share[:, 0], share[:, 1], share[:, 2]
    return Shares((cpu + memory + disk) / 3, np.minimum(np.minimum(cpu, memory), disk))


@dataclass(frozen=True)
class Fleet:
    """All hosts as columns of equal length; `capacity`, `used` and `spot` have one row a host, one column a dimension.

    `pod` and `owner` number into `pods` and `owners` (-1: everybody's host). `kinds`, `traits` and `images` say for each
    word which hosts have it; a word that is no key is had by none. `lends` marks hosts that take preemptible guests now,
    `mishaps` is 0 for a host that did well and 1 for one on which much failed lately.
    """

    ids: Sequence[str]
    names: Sequence[str]
    pods: Sequence[PodFacts]
    pod: NDArray[np.int64]
    accepting: Mask
    kinds: Mapping[str, Mask]
    traits: Mapping[str, Mask]
    images: Mapping[str, Mask]
    owners: Mapping[str, int]
    owner: NDArray[np.int64]
    capacity: Amounts
    used: Amounts
    spot: Amounts
    lends: Mask
    mishaps: NDArray[np.float64]
    # Guests of the pods that ask for N+1, and of no others.
    residents: Sequence[Guest] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    # Kept with the fleet, so that many requests over one reading share them. Nobody writes into them.

    @cached_property
    def free(self) -> Amounts:
        """What is left for a guest that displaces nobody, never negative."""
        free: Amounts = np.maximum(self.capacity - self.used - self.spot, 0)
        return free

    @cached_property
    def shares(self) -> Shares:
        """How empty each host is."""
        return shares_of(self.free, self.capacity)

    @cached_property
    def _noise(self) -> NDArray[np.floating[Any]]:
        return np.random.default_rng(len(self)).random(len(self)) * 1e-6

    def noise(self, turn: int) -> NDArray[np.floating[Any]]:
        """Small numbers, a host each, that break ties; another turn shuffles them by another amount."""
        size = len(self)
        return np.roll(self._noise, turn % size) if size else self._noise

    @cached_property
    def pod_share(self) -> NDArray[np.floating[Any]]:
        """The free share of memory of each host's pod."""
        size = max(len(self.pods), 1)
        free = np.bincount(self.pod, weights=self.free[:, 1], minlength=size)
        capacity = np.bincount(self.pod, weights=self.capacity[:, 1], minlength=size)
        share: NDArray[np.floating[Any]] = (free / np.maximum(capacity, 1.0))[self.pod]
        return share

    def __len__(self) -> int:
        return len(self.ids)

    def having(self, words: Mapping[str, Mask], word: str) -> Mask:
        """Which hosts have a word of `kinds`, `traits` or `images`."""
        found = words.get(word)
        return found if found is not None else np.zeros(len(self), dtype=np.bool_)

    def of_pods(self, wanted: Sequence[bool]) -> Mask:
        """Which hosts are in the pods marked, given in the order of `pods`."""
        if not len(self):
            return np.zeros(0, dtype=np.bool_)
        chosen: Mask = np.array(wanted, dtype=np.bool_)[self.pod]
        return chosen

    def only(self, rows: NDArray[np.int64]) -> Fleet:
        """The fleet of these rows alone. Its `residents` are left out: their rows would be others."""
        return replace(
            self, ids=[self.ids[row] for row in rows], names=[self.names[row] for row in rows], pod=self.pod[rows],
            accepting=self.accepting[rows], owner=self.owner[rows], capacity=self.capacity[rows], used=self.used[rows],
            spot=self.spot[rows], lends=self.lends[rows], mishaps=self.mishaps[rows], residents=(),
            kinds={word: mask[rows] for word, mask in self.kinds.items()},
            traits={word: mask[rows] for word, mask in self.traits.items()},
            images={word: mask[rows] for word, mask in self.images.items()},
            rows={self.ids[row]: number for number, row in enumerate(rows)},
        )  # fmt: skip

    def counts(self, by_id: Mapping[str, int]) -> NDArray[np.int64]:
        """A column out of a number a host id; ids that are no host here are left out."""
        column = np.zeros(len(self), dtype=np.int64)
        for host, number in by_id.items():
            row = self.rows.get(host)
            if row is not None:
                column[row] = number
        return column
