"""Fleets in a line, for tests of the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pods.placement.request import Fleet, Guest, Need, PodFacts

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
    spot: tuple[int, int, int] = (0, 0, 0)
    traits: frozenset[str] = frozenset()
    owner: str = ""
    lends: bool = False
    mishaps: float = 0.0
    location: str = ""
    n_plus_one: bool = False

    @property
    def name(self) -> str:
        """Another word than the id, so that mixing them up is seen."""
        return f"name-of-{self.id}"


def fleet_of(machines: Sequence[Machine], residents: Sequence[Guest] = ()) -> Fleet:
    """The planner's columns. A pod is what its first machine says of it, and open only if all say so."""
    pods = {m.pod: PodFacts(m.pod, m.location, m.open, m.n_plus_one) for m in reversed(machines)}
    closed = {m.pod for m in machines if not m.open}
    facts = [PodFacts(p.slug, p.location, p.slug not in closed, p.n_plus_one) for p in pods.values()]
    numbers = {pod.slug: number for number, pod in enumerate(facts)}
    owners = {name: number for number, name in enumerate(sorted({m.owner for m in machines if m.owner}))}

    def words(lists: list[frozenset[str]]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
        every = frozenset[str]().union(*lists)
        return {word: np.array([word in had for had in lists], dtype=np.bool_) for word in every}

    def columns(rows: list[tuple[int, int, int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.array(rows, dtype=np.int64).reshape(len(machines), 3)

    return Fleet(
        ids=[m.id for m in machines],
        names=[m.name for m in machines],
        pods=facts,
        pod=np.array([numbers[m.pod] for m in machines], dtype=np.int64),
        accepting=np.array([m.accepting for m in machines], dtype=np.bool_),
        kinds=words([m.kinds for m in machines]),
        traits=words([m.traits for m in machines]),
        images=words([m.images for m in machines]),
        owners=owners,
        owner=np.array([owners.get(m.owner, -1) for m in machines], dtype=np.int64),
        capacity=columns([m.capacity for m in machines]),
        used=columns([m.used for m in machines]),
        spot=columns([m.spot for m in machines]),
        lends=np.array([m.lends for m in machines], dtype=np.bool_),
        mishaps=np.array([m.mishaps for m in machines], dtype=np.float64),
        residents=residents,
        rows={m.id: number for number, m in enumerate(machines)},
    )
