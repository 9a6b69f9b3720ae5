"""Time in a simulated pod: real, or moved by hand in a test."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, and a way to let some pass."""

    def now(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Return when that much time has passed."""


class RealClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since 1970, the same in every process that shares a pod."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Really sleep."""
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """Stands still until `advance`; sleepers wait for it, at most `patience_s` of real time (a lost test must end)."""

    def __init__(self, patience_s: float = 60.0) -> None:
        self._now = 0.0
        self._moved = threading.Condition()
        self._sleepers = 0
        self._patience_s = patience_s

    def now(self) -> float:
        """Manual seconds."""
        with self._moved:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved that far. Raises TimeoutError when nobody moves it."""
        with self._moved:
            due = self._now + seconds
            self._sleepers += 1
            self._moved.notify_all()
            try:
                if not self._moved.wait_for(lambda: self._now >= due, self._patience_s):
                    raise TimeoutError("nobody advanced the manual clock")
            finally:
                self._sleepers -= 1

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._moved:
            self._now += seconds
            self._moved.notify_all()

    def wait_for_sleepers(self, count: int, patience_s: float = 10.0) -> bool:
        """Wait until that many threads sleep, so that a test can advance at the right moment."""
        with self._moved:
            return self._moved.wait_for(lambda: self._sleepers >= count, patience_s)
