"""Who must leave so that a host holds no more than it may: few guests, the youngest first, and no more than is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Lodger:
    """A preemptible guest: thousandths of a processor, MiB of memory, and since when it has been there."""

    id: str
    cpu_m: int
    memory_mib: int
    since: datetime


def choose_victims(lodgers: Sequence[Lodger], *, cpu_m: int, memory_mib: int) -> list[Lodger]:
    """Guests whose leaving frees at least so much of both; all that help if they are not enough, none if nothing lacks.

    One guest where one will do, the youngest such. Otherwise the bulkiest first (the youngest among equals), and then whoever
    turns out not to be needed stays, the oldest first.
    """
    lack = (max(cpu_m, 0), max(memory_mib, 0))
    if lack == (0, 0):
        return []
    newest = sorted(lodgers, key=lambda one: (one.since, one.id), reverse=True)
    alone = next((one for one in newest if _enough([one], lack)), None)
    if alone is not None:
        return [alone]
    return _spared(_gathered(newest, lack), lack)


def _gathered(newest: Sequence[Lodger], lack: tuple[int, int]) -> list[Lodger]:
    """One after the other, each time who brings most of what still lacks."""
    left, chosen = list(newest), list[Lodger]()
    while left and not _enough(chosen, lack):
        still = tuple(want - got for want, got in zip(lack, _sum(chosen), strict=True))
        best = max(left, key=lambda one: _share(one, still))  # the first of equals: the youngest
        if not _share(best, still):
            break
        left.remove(best)
        chosen.append(best)
    return chosen


def _spared(chosen: Sequence[Lodger], lack: tuple[int, int]) -> list[Lodger]:
    """Without those whose room the later ones made unnecessary."""
    needed = list(chosen)
    if not _enough(needed, lack):
        return needed
    for one in sorted(chosen, key=lambda one: (one.since, one.id)):
        rest = [other for other in needed if other is not one]
        if _enough(rest, lack):
            needed = rest
    return needed


def _share(one: Lodger, lack: tuple[int, ...]) -> float:
    """How much of what lacks it brings, summed over both dimensions; more than what lacks counts for nothing."""
    room = (one.cpu_m, one.memory_mib)
    return sum(min(got, want) / want for got, want in zip(room, lack, strict=True) if want > 0)


def _sum(lodgers: Sequence[Lodger]) -> tuple[int, int]:
    return sum(one.cpu_m for one in lodgers), sum(one.memory_mib for one in lodgers)


def _enough(lodgers: Sequence[Lodger], lack: tuple[int, int]) -> bool:
    return all(got >= want for got, want in zip(_sum(lodgers), lack, strict=True))
