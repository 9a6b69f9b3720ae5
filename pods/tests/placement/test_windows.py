"""Weekly windows: reading them, and when lent room must be given back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pods.placement.windows import DAYS, WindowMalformed, open_until, parse_windows

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001  (local to a pod: windows know no zone)


def at(day: int, time: str) -> datetime:
    """Of the week that begins on MONDAY."""
    hours, minutes = time.split(":")
    return MONDAY + timedelta(days=day, hours=int(hours), minutes=int(minutes))


@pytest.mark.parametrize(
    ("windows", "now", "until"),
    [
        (["mon-fri 19:00-07:00"], at(0, "18:59"), None),
        (["mon-fri 19:00-07:00"], at(0, "19:00"), at(1, "07:00")),
        (["mon-fri 19:00-07:00"], at(1, "06:59"), at(1, "07:00")),
        (["mon-fri 19:00-07:00"], at(1, "07:00"), None),
        (["mon-fri 19:00-07:00"], at(5, "03:00"), at(5, "07:00")),  # Friday's window ends on Saturday
        (["mon-fri 19:00-07:00"], at(0, "03:00"), None),  # Sunday has none
        (["sat,sun 00:00-24:00"], at(5, "12:00"), at(7, "00:00")),  # two days in one
        (["fri 19:00-24:00", "sat 00:00-08:00"], at(4, "20:00"), at(5, "08:00")),
        (["fri-mon 10:00-11:00"], at(6, "10:30"), at(6, "11:00")),
        (["daily 12:00-13:00"], at(3, "12:30"), at(3, "13:00")),
        (["MON 01:00-02:00"], at(0, "01:30"), at(0, "02:00")),
        ([], at(0, "01:30"), None),
    ],
)
def test_lent_until(windows: list[str], now: datetime, until: datetime | None) -> None:
    assert open_until(parse_windows(windows), now) == until


def test_always_open_windows_end_within_the_week_and_not_never() -> None:
    until = open_until(parse_windows(["daily 00:00-24:00"]), at(0, "12:00"))
    assert until is not None
    assert at(6, "00:00") <= until <= at(7, "12:00")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no window"), ("mon", "no window"), ("mon 9:00-10:00", "no window"), ("mon 09:00-10:00;id", "no window"),
        ("mun 09:00-10:00", "no day"), ("mon- 09:00-10:00", "no day"), ("mon,, 09:00-10:00", "no day"),
        ("mon 25:00-26:00", "no time"), ("mon 09:61-10:00", "no time"), ("mon 09:00-09:00", "no length"),
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused_with_a_way_to_write_it(text: str, word: str) -> None:
    with pytest.raises(WindowMalformed, match=word):
        parse_windows([text])


def test_too_many_and_no_list_are_refused() -> None:
    with pytest.raises(WindowMalformed, match="at most 14"):
        parse_windows(["mon 01:00-02:00"] * 15)
    with pytest.raises(WindowMalformed, match="list"):
        parse_windows("mon 01:00-02:00")


@given(
    st.lists(
        st.tuples(st.sampled_from(DAYS), st.integers(0, 23), st.integers(0, 24)).filter(lambda w: w[1] != w[2]),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 7 * 24 * 60 - 1),
)
def test_open_means_every_minute_until_then_lies_in_a_window(windows: list[tuple[str, int, int]], minute: int) -> None:
    """Against a minute-by-minute oracle."""
    parsed = parse_windows([f"{day} {a:02}:00-{b:02}:00" for day, a, b in windows])

    def lies_in(moment: datetime) -> bool:
        for day, a, b in windows:
            length = (b - a if b > a else b - a + 24) * 60
            for back in (0, 1):
                start = moment.replace(hour=0, minute=0) - timedelta(days=back) + timedelta(hours=a)
                if (moment - timedelta(days=back)).weekday() == DAYS.index(day) and start <= moment < start + timedelta(
                    minutes=length
                ):
                    return True
        return False

    now = MONDAY + timedelta(minutes=minute)
    until = open_until(parsed, now)
    assert (until is not None) == lies_in(now)
    if until is not None:
        assert all(lies_in(now + timedelta(minutes=step)) for step in range(0, int((until - now).total_seconds() // 60), 20))
        assert until - now >= timedelta(days=6) or not lies_in(until)
