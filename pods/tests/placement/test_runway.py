"""Runway: growth by least squares, and days until full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pods.placement.runway import LEAST_DAYS, Sample, growth_of, runway_of

CAP = (100_000, 100_000, 1_000)


def samples(*used: tuple[int, int, int], every: float = 1.0, start: float = 100.0) -> list[Sample]:
    """One each `every` days."""
    return [Sample(start + number * every, amounts, CAP) for number, amounts in enumerate(used)]


def straight(days: int, per_day: tuple[int, int, int]) -> list[Sample]:
    return samples(*[tuple(day * each for each in per_day) for day in range(days + 1)])  # type: ignore[arg-type]  # three each


def test_the_dimension_that_ends_first_counts() -> None:
    growth = growth_of(straight(20, (1000, 2000, 10)), 120.0)
    assert growth.per_day == (1000.0, 2000.0, 10.0)
    found = runway_of(growth, (80_000, 60_000, 800))
    assert (found.days, found.ends_first, found.enough) == (30.0, "memory", True)
    assert found.sentence == "Memory is full in 30 days at the growth of 20 days."


def test_what_is_full_already_is_full_in_no_time() -> None:
    found = runway_of(growth_of(straight(20, (1000, 2000, 10)), 120.0), (80_000, 60_000, 0))
    assert (found.days, found.ends_first) == (0.0, "disk")


def test_no_growth_no_end() -> None:
    still = growth_of(samples(*[(50, 50, 50)] * 10), 110.0)
    assert (runway_of(still, (1, 1, 1)).days, runway_of(still, (1, 1, 1)).enough) == (None, True)
    assert "has not grown in 9 days" in runway_of(still, (1, 1, 1)).sentence
    shrinking = growth_of(samples(*[(500 - n, 500 - n, 500 - n) for n in range(10)]), 110.0)
    assert runway_of(shrinking, (1, 1, 1)).days is None


def test_a_very_slow_growth_is_no_statement_about_a_day() -> None:
    found = runway_of(growth_of(straight(20, (1, 0, 0)), 120.0), CAP)
    assert (found.days, found.ends_first) == (None, "cpu")
    assert "over ten years" in found.sentence


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([], "0 samples over 0 hours"),
        (samples((1, 1, 1)), "1 samples over 0 hours"),
        (samples(*[(n, n, n) for n in range(30)], every=1 / 24), "30 samples over 29 hours"),
        (samples(*[(n, n, n) for n in range(5)]), "5 samples over 4 days"),
    ],
)
def test_short_history_says_how_much_there_is(history: list[Sample], words: str) -> None:
    found = runway_of(growth_of(history, 130.0), CAP)
    assert (found.days, found.enough) == (None, False)
    assert found.sentence.startswith(f"Not enough history: {words}; it takes 6 samples over {LEAST_DAYS:.0f} days")


@given(
    noise=st.lists(st.integers(-50, 50), min_size=10, max_size=30),
    slope=st.integers(0, 500),
)
def test_the_line_is_the_one_that_misses_least(noise: list[int], slope: int) -> None:
    """Moving the slope either way makes the sum of squares larger (the intercept free each time)."""
    rows = samples(*[(1000 + n * slope + off,) * 3 for n, off in enumerate(noise)])
    growth = growth_of(rows, 200.0)
    assert growth.per_day is not None

    def misses(each: float) -> float:
        rest = [row.used[0] - each * row.day for row in rows]
        mean = sum(rest) / len(rest)
        return sum((one - mean) ** 2 for one in rest)

    best = misses(growth.per_day[0])
    assert best <= misses(growth.per_day[0] + 0.1)
    assert best <= misses(growth.per_day[0] - 0.1)


def test_history_for_the_picture_has_a_point_a_day() -> None:
    growth = growth_of(samples(*[(1000 * n,) * 3 for n in range(100)], every=0.25), 125.0)
    points = growth.history["cpu"]
    assert len(points) <= 26
    assert [days for days, _ in points] == sorted((days for days, _ in points), reverse=True)
    assert all(0 <= share <= 1 for _, share in points)


def test_a_processor_that_ends_first_is_said_in_capitals() -> None:
    found = runway_of(growth_of(straight(20, (1000, 10, 1)), 120.0), (5_000, 100_000, 1_000))
    assert found.sentence == "CPU is full in 5 days at the growth of 20 days."
