"""What placement speaks: plain values, no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def vector(self) -> NDArray[np.int64]:
        """In the order of DIMENSIONS."""
        return np.array([self.cpu_m, self.memory_mib, self.disk_gib], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """`count` guests of one shape. `taken_hosts` and `taken_pods` already hold members of the group."""

    need: Need
    kind: str
    count: int = 1
    pod: str | None = None
    image: str | None = None
    spread: str = "none"
    taken_hosts: frozenset[str] = frozenset()
    taken_pods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fleet:
    """All hosts as columns of equal length. `free` has one row a host, one column a dimension."""

    ids: Sequence[str]
    names: Sequence[str]
    pods: NDArray[np.str_]
    accepting: NDArray[np.bool_]
    pod_open: NDArray[np.bool_]
    kinds: Sequence[frozenset[str]]
    images: Sequence[frozenset[str]]
    capacity: NDArray[np.int64]
    used: NDArray[np.int64]

    @property
    def free(self) -> NDArray[np.int64]:
        """What is left, never negative."""
        free: NDArray[np.int64] = np.maximum(self.capacity - self.used, 0)
        return free

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a decision fell as it did. `removed` maps each mask, in order, to how many hosts it took out."""

    evaluated: int
    removed: Mapping[str, int]
    short: Mapping[str, int]
    nearest: Sequence[str]
    top: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    asked: int = 1
    placed: int = 0

    def for_operator(self) -> dict[str, Any]:
        """Everything, with host names."""
        return {
            "evaluated": self.evaluated, "removed": dict(self.removed), "short": dict(self.short),
            "nearest": list(self.nearest), "top": [dict(entry) for entry in self.top],
            "asked": self.asked, "placed": self.placed,
        }  # fmt: skip

    def for_customer(self) -> dict[str, Any]:
        """Reasons and counts, never a host's name."""
        return {
            "evaluated": self.evaluated, "removed": dict(self.removed), "short": dict(self.short),
            "asked": self.asked, "placed": self.placed,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """One host id a guest, in order; fewer than asked when there is no room for all."""

    hosts: tuple[str, ...]
    explanation: Explanation
