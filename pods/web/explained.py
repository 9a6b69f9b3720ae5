"""An explanation as pages show it: a table of masks, a picture of what each took away, and the best hosts' scores as bars.

Plain values out of what is kept with operations and refusals; drawn by templates as inline SVG, without any style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pods.placement.explanation import MASKS
from pods.placement.scores import DEFAULT_WEIGHTS, TERMS
from pods.placement.words import MEANINGS, REASONS

WIDTH = 360
ROW = 32
THINNEST = 2.0  # a bar of one host among ten thousand can still be seen


@dataclass(frozen=True, slots=True)
class Bite:
    """What one mask took away, and what was left after it."""

    mask: str
    removed: int
    left: int

    @property
    def meaning(self) -> str:
        """Which hosts it keeps."""
        return MEANINGS.get(self.mask, self.mask)

    @property
    def reason(self) -> str:
        """Why hosts are left out by it."""
        return REASONS.get(self.mask, self.mask.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the picture: `kept` from the left, then `bite`; in units of the drawing."""

    words: str
    number: str
    y: int
    kept: float
    bite: float = 0.0

    @property
    def baseline(self) -> int:
        """Of its words."""
        return self.y + 12

    @property
    def top(self) -> int:
        """Of its bar."""
        return self.y + 17


@dataclass(frozen=True, slots=True)
class Segment:
    """One term of one host's score: its place in the drawing, and the numbers behind it."""

    term: str
    colour: int
    x: float
    width: float
    value: float
    weight: float

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return round(self.value * self.weight, 3)


@dataclass(frozen=True, slots=True)
class Best:
    """One of the best hosts."""

    host: str
    score: float
    y: int
    segments: list[Segment]

    @property
    def baseline(self) -> int:
        """Of its words."""
        return self.y + 12

    @property
    def top(self) -> int:
        """Of its bar."""
        return self.y + 17


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that a page shows of one decision."""

    evaluated: int
    suitable: int
    asked: int
    placed: int
    bites: list[Bite]
    best: list[Best] = field(default_factory=list)
    nearest: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    weights: list[tuple[str, int, float]] = field(default_factory=list)
    displaces: int = 0
    took_ms: float | None = None

    @property
    def reasons(self) -> list[Bite]:
        """The masks that took something away."""
        return [bite for bite in self.bites if bite.removed]

    @property
    def bars(self) -> list[Bar]:
        """The picture: all, what each mask left of them, what remained."""
        first = Bar("looked at", str(self.evaluated), 0, WIDTH if self.evaluated else 0)
        bars = [first]
        for bite in self.reasons:
            kept, gone = _scaled(bite.left, self.evaluated), _scaled(bite.removed, self.evaluated)
            bars.append(Bar(bite.reason, f"−{bite.removed}", len(bars) * ROW, min(kept, WIDTH - gone), gone))
        suitable = _scaled(self.suitable, self.evaluated)
        return [*bars, Bar("suitable", str(self.suitable), len(bars) * ROW, suitable)]

    @property
    def height(self) -> int:
        """Of the picture."""
        return (len(self.reasons) + 2) * ROW

    @property
    def best_height(self) -> int:
        """Of the picture of scores."""
        return max(len(self.best), 1) * ROW

    @property
    def alternative(self) -> str:
        """The picture in words."""
        steps = [f"{bite.removed} {bite.reason}, {bite.left} left" for bite in self.reasons]
        return "; ".join([f"{self.evaluated} looked at", *steps, f"{self.suitable} suitable"]) + "."

    @property
    def best_alternative(self) -> str:
        """The picture of scores in words."""
        return "; ".join(f"{best.host} {best.score:g}" for best in self.best) + "."


def explained(kept: Mapping[str, Any] | None) -> Explained | None:
    """What is kept (the operator's form or the customer's) as a page shows it; None for nothing."""
    if not kept or "evaluated" not in kept:
        return None
    bites = _bites(kept)
    weights = {str(term): float(weight) for term, weight in (kept.get("weights") or {}).items()}
    best = _best(kept, weights)
    used = {part.term for one in best for part in one.segments}
    return Explained(
        evaluated=int(kept["evaluated"]), suitable=bites[-1].left if bites else int(kept["evaluated"]),
        asked=int(kept.get("asked", 1)), placed=int(kept.get("placed", 0)), bites=bites, best=best,
        nearest=list(kept.get("nearest") or []), advice=list(kept.get("advice") or []),
        weights=[(term, _colour(term), weight) for term, weight in weights.items() if term in used],
        displaces=int(kept.get("displaces") or 0), took_ms=kept.get("took_ms"),
    )  # fmt: skip


def _bites(kept: Mapping[str, Any]) -> list[Bite]:
    """In the masks' order; what an older version knew by another name comes last."""
    counts = {**(kept.get("removed") or {}), **(kept.get("short") or {})}
    left, bites = int(kept["evaluated"]), []
    for mask in [name for name in MASKS if name in counts] + [name for name in counts if name not in MASKS]:
        left -= int(counts[mask])
        bites.append(Bite(mask, int(counts[mask]), left))
    return bites


def _scaled(number: int, whole: int) -> float:
    return round(max(THINNEST, WIDTH * number / whole), 2) if number > 0 and whole else 0.0


def _best(kept: Mapping[str, Any], weights: Mapping[str, float]) -> list[Best]:
    """One bar a host, as long as its score is of the best that the weights allow."""
    entries = list(kept.get("top") or [])
    most = sum(weights[term] for term in {term for entry in entries for term in entry["terms"]} if term in weights) or 1.0
    return [
        Best(str(entry["host"]), float(entry["score"]), number * ROW, _segments(entry["terms"], weights, most))
        for number, entry in enumerate(entries)
    ]


def _segments(terms: Mapping[str, float], weights: Mapping[str, float], most: float) -> list[Segment]:
    x, segments = 0.0, []
    for term, value in terms.items():
        weight = weights.get(term, DEFAULT_WEIGHTS.get(term, 0.0))
        width = round(WIDTH * value * weight / most, 2)
        segments.append(Segment(term, _colour(term), round(x, 2), width, value, weight))
        x += width
    return segments


def _colour(term: str) -> int:
    """The same for a term on every page."""
    return list(TERMS).index(term) if term in TERMS else len(TERMS)
