"""Fleets in a line, for tests of the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pods.placement.request import Fleet, Need

SMALL = Need(cpu_m=1000, memory_mib=1024, disk_gib=10)


@dataclass(frozen=True)
class Machine:
    """One host of a fleet; by default it holds ten of SMALL."""

    id: str
    pod: str = "p1"
    open: bool = True
    accepting: bool = True
    kinds: frozenset[str] = frozenset({"zone"})
    images: frozenset[str] = frozenset()
    capacity: tuple[int, int, int] = (10_000, 10_240, 100)
    used: tuple[int, int, int] = (0, 0, 0)

    @property
    def name(self) -> str:
        """Another word than the id, so that mixing them up is seen."""
        return f"name-of-{self.id}"


def fleet_of(machines: Sequence[Machine]) -> Fleet:
    """The planner's columns."""
    return Fleet(
        ids=[m.id for m in machines],
        names=[m.name for m in machines],
        pods=np.array([m.pod for m in machines], dtype=np.str_),
        accepting=np.array([m.accepting for m in machines], dtype=bool),
        pod_open=np.array([m.open for m in machines], dtype=bool),
        kinds=[m.kinds for m in machines],
        images=[m.images for m in machines],
        capacity=np.array([m.capacity for m in machines], dtype=np.int64).reshape(len(machines), 3),
        used=np.array([m.used for m in machines], dtype=np.int64).reshape(len(machines), 3),
    )
