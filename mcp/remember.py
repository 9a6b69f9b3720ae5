"""Answers that are kept for some seconds, for what is asked often and may be a little old."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from django.core.cache import cache

T = TypeVar("T")


def remembered(key: str, seconds: float, compute: Callable[[], T]) -> T:
    """What `compute` answered at most so many seconds ago, here or (with a shared cache) in another process; 0 asks anew.

    The answer must be picklable, and not None.
    """
    if seconds <= 0:
        return compute()
    known = cache.get(key)
    if known is None:
        known = compute()
        cache.set(key, known, seconds)
    return cast(T, known)


def forget(key: str) -> None:
    """Compute it anew next time, in this process and those that share its cache."""
    cache.delete(key)
