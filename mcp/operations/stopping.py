"""A process that is told to end claims nothing new and parks what it works on at the next step boundary."""

from __future__ import annotations

import threading

_stopping = threading.Event()


def stop_claiming() -> None:
    """From now on this process takes no operation; repeatable, safe in a signal handler."""
    _stopping.set()


def resume_claiming() -> None:
    """Undo `stop_claiming`; for processes that host one worker after another, such as tests."""
    _stopping.clear()


def stopping() -> bool:
    """Whether this process is on its way out."""
    return _stopping.is_set()
