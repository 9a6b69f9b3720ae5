"""One line a step: what, how it went, how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Prints steps as they end; on a terminal the running one is shown, with its share where it has one."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()
        self._title = ""
        self._told = ""

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Time a step. The list it gives takes what is to be said about the outcome."""
        began, outcome = time.monotonic(), list[str]()
        self._title, self._told = title, ""
        self._show(f"{title} ...")
        try:
            yield outcome
        except BaseException:
            self._end(f"  failed {title} ({time.monotonic() - began:.1f} s)")
            raise
        text = f": {', '.join(outcome)}" if outcome else ""
        self._end(f"  {time.monotonic() - began:6.1f} s  {title}{text}")

    def tell(self, sentence: str, share: float) -> None:
        """What a long step does now. Without a terminal each sentence is one line."""
        if self._live:
            done = round(share * 20)
            self._show(f"{self._title} [{'#' * done}{'.' * (20 - done)}] {sentence}")
        elif sentence != self._told:
            self.line(f"            {sentence}")
        self._told = sentence

    def line(self, text: str = "") -> None:
        """One line."""
        print(text, flush=True)  # noqa: T201  (a command's output)

    def _show(self, text: str) -> None:
        if self._live:
            print(f"\r\033[K  {text[:110]}", end="", flush=True)  # noqa: T201  (a program for a terminal)

    def _end(self, text: str) -> None:
        self.line(f"\r\033[K{text}" if self._live else text)
