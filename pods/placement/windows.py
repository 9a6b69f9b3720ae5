"""Weekly windows such as "mon-fri 19:00-07:00": when a host lends its idle room. Pure; times are local to the pod.

A window that ends before it begins runs over midnight and belongs to the day on which it begins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(?P<days>[a-z,-]+) (?P<from>\d\d:\d\d)-(?P<until>\d\d:\d\d)")
_MOST = 14


class WindowMalformed(ValueError):
    """The text is no window; the message says how to write one."""


@dataclass(frozen=True, slots=True)
class Window:
    """Days as numbers (Monday is 0), and minutes after that day's midnight; `until` may lie on the next day."""

    days: frozenset[int]
    start: int
    until: int


def parse_windows(texts: Sequence[str]) -> tuple[Window, ...]:
    """Raises WindowMalformed."""
    if not isinstance(texts, list | tuple) or len(texts) > _MOST:
        raise WindowMalformed(f"give a list of at most {_MOST} windows.")
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Window:
    match = _WINDOW.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if match is None:
        raise WindowMalformed(f'{str(text)[:60]!r} is no window; write it like "mon-fri 19:00-07:00" or "daily 00:00-24:00".')
    start, until = _minutes(match["from"]), _minutes(match["until"])
    if start == until:
        raise WindowMalformed(f"{text!r} has no length; for a whole day write 00:00-24:00.")
    return Window(_days(match["days"]), start, until if until > start else until + 24 * 60)


def _days(text: str) -> frozenset[int]:
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (last if dash else first) not in DAYS:
            raise WindowMalformed(f"{part!r} is no day; use {', '.join(DAYS)}, ranges such as mon-fri, or daily.")
        a, b = DAYS.index(first), DAYS.index(last or first)
        days.update(range(a, b + 1) if a <= b else [*range(a, 7), *range(b + 1)])
    return frozenset(days)


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise WindowMalformed(f"{text} is no time of day; use 00:00 to 24:00.")
    return hours * 60 + minutes


def open_until(windows: Sequence[Window], now: datetime) -> datetime | None:
    """When the room must be given back, if it is lent at `now` (local time); adjoining windows count as one."""
    end = now
    for _ in range(7 * len(windows) + 1):  # each round reaches further, and a week of windows is the most there is
        further = max((close for close in _closings(windows, end)), default=None)
        if further is None or further - now >= timedelta(days=7):
            break
        end = further
    return None if end == now else end


def _closings(windows: Sequence[Window], at: datetime) -> list[datetime]:
    """The ends of the windows that hold a moment."""
    found = []
    for back in (0, 1):
        day = (at - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        for window in windows:
            if day.weekday() in window.days:
                opens, closes = day + timedelta(minutes=window.start), day + timedelta(minutes=window.until)
                if opens <= at < closes:
                    found.append(closes)
    return found


def opens_next(windows: Sequence[Window], now: datetime) -> datetime | None:
    """When room is lent next (local time): now if a window is open, else the next opening; None without windows."""
    if _closings(windows, now):
        return now
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    openings = [
        midnight + timedelta(days=ahead, minutes=window.start)
        for ahead in range(8)
        for window in windows
        if (midnight + timedelta(days=ahead)).weekday() in window.days
    ]
    return min((opening for opening in openings if opening > now), default=None)
