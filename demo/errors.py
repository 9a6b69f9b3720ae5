"""What can go wrong on the way up or down."""

from __future__ import annotations


class DemoError(Exception):
    """A step that failed: `str()` says what, `remedy` what to do."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy
