"""When room is lent next, minute by minute against the windows themselves."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pods.placement.windows import DAYS, open_until, opens_next, parse_windows

MONDAY = datetime.fromisoformat("2026-03-02")  # local, as windows are
MINUTES = st.integers(0, 7 * 24 * 60 - 1).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
TIMES = st.tuples(st.integers(0, 47), st.integers(0, 47)).filter(lambda pair: pair[0] != pair[1])
WINDOW = st.builds(
    lambda day, times: f"{day} {times[0] // 2:02}:{times[0] % 2 * 30:02}-{times[1] // 2:02}:{times[1] % 2 * 30:02}",
    st.sampled_from(DAYS), TIMES,
)  # fmt: skip


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-02 12:00", "2026-03-02 19:00"),  # a Monday
        ("2026-03-02 19:00", "2026-03-02 19:00"),
        ("2026-03-03 03:00", "2026-03-03 03:00"),  # open since yesterday
        ("2026-03-03 07:00", "2026-03-03 19:00"),
        ("2026-03-07 07:00", "2026-03-09 19:00"),  # Saturday morning: not before Monday
    ],
)
def test_the_next_evening(now: str, opens: str) -> None:
    windows = parse_windows(["mon-fri 19:00-07:00"])
    assert opens_next(windows, datetime.fromisoformat(now)) == datetime.fromisoformat(opens)


def test_without_windows_never() -> None:
    assert opens_next((), MONDAY) is None


@given(st.lists(WINDOW, min_size=1, max_size=4), MINUTES)
def test_it_is_open_then_and_not_before(texts: list[str], now: datetime) -> None:
    windows = parse_windows(texts)
    opens = opens_next(windows, now)
    assert opens is not None
    assert opens >= now
    assert open_until(windows, opens) is not None
    before = now
    while before < opens:
        assert open_until(windows, before) is None
        before += timedelta(minutes=30 - before.minute % 30)
