"""A refused create as its page shows it: reasons in words, a small picture, and changes that would fit, one click each."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from accelerators.services.suggest import suggest
from accelerators.services.wish import CreateWish
from accelerators.web.forms import PLACEMENT
from accounts.models import Account
from mcp.errors import ControlPlaneError
from pods.errors import CapacityExhausted
from pods.services.refusals import REFUSED
from pods.web.explained import Explained, explained

# What a suggestion may fill in; anything else that a button sends is ignored.
REFILLABLE = frozenset({"plan", "pod", "count", *PLACEMENT})


@dataclass(frozen=True, slots=True)
class Offer:
    """A button: its words, and what it fills in."""

    words: str
    value: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why, and what to do instead."""

    why: Explained | None
    offers: list[Offer]


def refused_for(account: Account, wish: CreateWish, error: ControlPlaneError) -> Refused | None:
    """For the errors that say that there is no room; None for all others."""
    if not isinstance(error, REFUSED):
        return None
    offers = _offers(account, wish) if isinstance(error, CapacityExhausted) else []
    return Refused(explained(error.context.get("placement")), offers)


def _offers(account: Account, wish: CreateWish) -> list[Offer]:
    try:
        found = suggest(account=account, wish=wish)
    except ControlPlaneError:  # a plan or group that went meanwhile: the page shows the refusal without offers
        return []
    return [Offer(one.words, urlencode(one.changes)) for one in found]


def refilled(value: str) -> dict[str, object]:
    """What an offer's button sends, as values of the form's fields."""
    return {name: text for name, text in parse_qsl(value[:1000], keep_blank_values=True) if name in REFILLABLE}
