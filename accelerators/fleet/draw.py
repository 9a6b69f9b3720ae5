"""What the fleet is drawn from: chance with a seed, moments, and ids that sort by them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")


class Draw:
    """One stream of chance. The same seed draws the same names, sizes and states; times count back from `now`."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.chance = random.Random(seed)
        self.now = now

    def id_at(self, at: datetime) -> UUID:
        """An identifier as `new_id` would have made it at that moment (UUID version 7)."""
        bits = self.chance.getrandbits(74)
        high, low = bits >> 62, bits & ((1 << 62) - 1)
        return UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (high << 64) | (2 << 62) | low)

    def text_id(self) -> str:
        """A random UUID as text: boot ids and the like."""
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def one(self, values: Sequence[T]) -> T:
        """Any of them."""
        return values[int(self.chance.random() * len(values))]

    def weighted(self, shares: Mapping[T, float]) -> T:
        """One of the keys, by its share."""
        return self.chance.choices(list(shares), list(shares.values()))[0]

    def happens(self, share: float) -> bool:
        """True that often."""
        return self.chance.random() < share

    def ago(self, most: timedelta, least: timedelta = timedelta(0)) -> datetime:
        """A moment so long ago; the later, the likelier, as in a business that grows."""
        return self.now - least - (most - least) * self.chance.random() ** 2

    def spread_out(self, shares: Mapping[T, float], n: int, rest: T) -> list[T]:
        """n values in random order: each key by its share, at least one where n allows it, and `rest`."""
        found: list[T] = []
        for value, share in shares.items():
            found += [value] * (max(1, round(n * share)) if n >= 3 * len(shares) else round(n * share))
        found = (found + [rest] * (n - len(found)))[:n]
        self.chance.shuffle(found)
        return found
