"""Slow down guessing of passwords: a few tries a minute for a user name and for an address."""

from __future__ import annotations

import hashlib
import time

from django.conf import settings
from django.core.cache import cache

from mcp.errors import Throttled

WINDOW_S = 60


def _keys(username: str, address: str) -> list[tuple[str, int]]:
    """Cache keys with their limits; an address may hold several people, so it gets more."""
    window = int(time.time()) // WINDOW_S
    tries = settings.SIGN_IN_TRIES_PER_MINUTE
    name = hashlib.sha256(username.casefold().encode()).hexdigest()[:32]
    return [(f"sign-in:name:{name}:{window}", tries), (f"sign-in:from:{address}:{window}", tries * 4)]


def demand_patience(username: str, address: str) -> None:
    """Count one try. Raises Throttled, telling nothing about whether the name exists."""
    over = False
    for key, most in _keys(username, address):
        cache.add(key, 0, WINDOW_S * 2)
        try:
            over = cache.incr(key) > most or over
        except ValueError:  # it expired between the two calls: a new window
            continue
    if over:
        left = WINDOW_S - int(time.time()) % WINDOW_S
        raise Throttled(
            f"Too many tries to sign in with this name or from this address. Try again in {left} s.",
            context={"retry_after_s": left},
        )
