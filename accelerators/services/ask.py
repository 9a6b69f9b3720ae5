"""The door that requests for accelerators come through: what is refused for want of room is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerators.services.wish import CreateWish
from accounts.actor import Actor
from pods.services.refusals import REFUSED, keep_refusal

# What is kept of a wish. Keys, scripts, tags and notes are the customer's own affair.
KEPT = (
    "name", "plan", "image", "pod", "location", "count", "as_many_as_fit", "group", "spread", "spread_limit",
    "spread_policy", "near", "near_policy",
)  # fmt: skip


@contextmanager
def keeping_refusals(*, actor: Actor, wish: CreateWish, dry_run: bool = False) -> Iterator[None]:
    """Around everything that is rolled back together: idempotency key, form token, dry run, and the create in them.

    The refusal goes on as it came. What succeeds costs nothing.
    """
    try:
        yield
    except REFUSED as error:
        keep_refusal(actor=actor, error=error, asked=asked(wish) | ({"dry_run": True} if dry_run else {}))
        raise


def asked(wish: CreateWish) -> dict[str, Any]:
    """What was asked, in plain values."""
    return {name: getattr(wish, name) for name in KEPT}
