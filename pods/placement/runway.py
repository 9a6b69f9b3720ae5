"""Runway: days until a pod is full, from the growth of the last weeks by least squares. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pods.placement.explanation import SHORT

# Below either, a slope says more about the hour of the day than about the weeks.
LEAST_DAYS = 3.0
LEAST_SAMPLES = 6
# Beyond this a straight line through some weeks is no statement.
FARTHEST_DAYS = 3650.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was promised at a time, in days; `used` and `cap` in the order of DIMENSIONS."""

    day: float
    used: Sequence[int]
    cap: Sequence[int]


@dataclass(frozen=True, slots=True)
class Growth:
    """How use grew: `per_day` by dimension, None without enough history. `history` has (days ago, used share) by dimension."""

    days: float
    samples: int
    per_day: tuple[float, ...] | None
    history: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Runway:
    """`days` until the dimension `ends_first` is full: None if none grows, if it is beyond FARTHEST_DAYS, or if unknown."""

    days: float | None
    ends_first: str
    enough: bool
    sentence: str


def growth_of(samples: Sequence[Sample], now: float) -> Growth:
    """The straight line through the samples that misses them least, dimension by dimension."""
    days = np.array([sample.day for sample in samples], dtype=np.float64)
    used = np.array([sample.used for sample in samples], dtype=np.float64).reshape(len(samples), len(SHORT))
    span = float(days.max() - days.min()) if len(samples) else 0.0
    enough = span >= LEAST_DAYS and len(samples) >= LEAST_SAMPLES
    return Growth(
        days=round(span, 2),
        samples=len(samples),
        per_day=tuple(round(slope, 3) for slope in _slopes(days, used)) if enough else None,
        history={word: _shares(samples, index, now) for index, word in enumerate(SHORT)},
    )


def _slopes(days: NDArray[np.float64], used: NDArray[np.float64]) -> list[float]:
    away = days - days.mean()
    slopes: list[float] = ((away[:, None] * used).sum(axis=0) / (away**2).sum()).tolist()
    return slopes


def _shares(samples: Sequence[Sample], index: int, now: float) -> list[tuple[float, float]]:
    """One point a day, the last one of each."""
    by_day = {int(now - one.day): one for one in sorted(samples, key=lambda one: one.day)}
    points = [(round(now - one.day, 2), round(one.used[index] / max(1, one.cap[index]), 4)) for one in by_day.values()]
    return sorted(points, reverse=True)


def runway_of(growth: Growth, free: Sequence[int]) -> Runway:
    """How long the free room lasts at that growth."""
    if growth.per_day is None:
        return Runway(None, "", enough=False, sentence=_too_short(growth))
    lasting = [(max(0.0, have) / slope, word) for slope, have, word in zip(growth.per_day, free, SHORT, strict=True) if slope > 0]
    if not lasting:
        return Runway(None, "", enough=True, sentence=f"Use has not grown in {_days(growth.days)}.")
    days, word = min(lasting, key=lambda pair: pair[0])
    if days > FARTHEST_DAYS:
        return Runway(None, word, enough=True, sentence=f"At the growth of {_days(growth.days)} it lasts over ten years.")
    said = f"{titled(word)} is full in {_days(days)} at the growth of {_days(growth.days)}."
    return Runway(round(days, 1), word, enough=True, sentence=said)


def titled(word: str) -> str:
    """A dimension at the beginning of a sentence."""
    return "CPU" if word == "cpu" else word.capitalize()


def _too_short(growth: Growth) -> str:
    there = f"{growth.samples} samples over {_days(growth.days)}"
    return f"Not enough history: {there}; it takes {LEAST_SAMPLES} samples over {_days(LEAST_DAYS)}."


def _days(number: float) -> str:
    if number < 2:
        return f"{round(number * 24)} hours"
    return f"{round(number)} days"
