"""Small pictures for the console as plain numbers; the template draws them as SVG, without script or style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DIMENSIONS = (("cpu_m", "processors", 1000, "vCPU"), ("memory_mib", "memory", 1024, "GiB"), ("disk_gib", "disk", 1, "GiB"))
# The line's field: 28 days to the left of now, the future to the right of it.
WIDTH, HEIGHT, NOW, DAYS = 140.0, 40.0, 100.0, 28.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Used and stranded as whole percents of what may be promised, and the numbers in words."""

    name: str
    used: int
    stranded: int
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """Points of what was promised, and where the straight line through them leads; empty texts for nothing to draw."""

    points: str
    ahead: str
    words: str


def capacity_bars(pod: Mapping[str, Any]) -> list[Bar]:
    """One a dimension."""
    return [_bar(pod[key], name, by, unit) for key, name, by, unit in DIMENSIONS]


def _bar(room: Mapping[str, int], name: str, by: int, unit: str) -> Bar:
    cap = max(1, room["cap"])
    used = min(100, round(100 * room["used"] / cap))
    stranded = min(100 - used, round(100 * room["stranded"] / cap))
    words = f"{room['used'] / by:.0f} of {room['cap'] / by:.0f} {unit}, {room['free'] / by:.0f} free"
    return Bar(name, used, stranded, f"{words}, {room['stranded'] / by:.0f} stranded" if room["stranded"] else words)


def runway_line(runway: Mapping[str, Any]) -> Line:
    """The share of the dimension that ends first, over the last weeks, and on to the day that it is full."""
    history = [(min(DAYS, days), share) for days, share in runway["history"]]
    points = " ".join(f"{_x(-days):.1f},{_y(share):.1f}" for days, share in history)
    ahead = ""
    if history and runway["days"] is not None:
        days, share = runway["days"], history[-1][1]
        reach = min(days, (WIDTH - NOW) * DAYS / NOW)
        there = share + (1 - share) * (reach / days if days else 1)
        ahead = f"{_x(0):.1f},{_y(share):.1f} {_x(reach):.1f},{_y(there):.1f}"
    return Line(points if len(history) > 1 else "", ahead, runway["sentence"])


def _x(days: float) -> float:
    return NOW + days * NOW / DAYS


def _y(share: float) -> float:
    return HEIGHT * (1 - min(1.0, share))
