"""How numbers, times and states are written on pages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime

register = template.Library()

UNITS = ((86_400 * 365, "y"), (86_400, "d"), (3600, "h"), (60, "min"))
TONES = {
    "running": "good", "succeeded": "good", "done": "good", "online": "good", "active": "good", "adopted": "good",
    "stopped": "quiet", "deleted": "quiet", "cancelled": "quiet", "pending": "quiet", "skipped": "quiet", "undone": "quiet",
    "retired": "quiet", "resolved": "quiet", "ignored": "quiet", "closed": "quiet", "unknown": "warn",
    "failed": "bad", "unreachable": "bad", "suspended": "bad",
    "needs_attention": "warn", "trashed": "warn", "maintenance": "warn", "draining": "warn", "open": "warn",
}  # fmt: skip


def span(seconds: float) -> str:
    """A length of time in one unit: 12 s, 4 min, 3 h, 9 d, 2 y."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


@register.filter
def age(value: datetime | None) -> str:
    """How long something has existed."""
    return "" if value is None else span((timezone.now() - value).total_seconds())


@register.filter
def ago(value: datetime | None) -> str:
    """How long since; "never" for nothing."""
    return "never" if value is None else f"{age(value)} ago"


@register.filter
def until(value: datetime | None) -> str:
    """How long until; "now" once it is past."""
    if value is None:
        return ""
    left = (value - timezone.now()).total_seconds()
    return f"in {span(left)}" if left > 0 else "now"


@register.filter
def tone(state: object) -> str:
    """The colour class of a state; the passing ones are busy."""
    return TONES.get(str(state), "busy")


@register.filter
def words(name: object) -> str:
    """needs_attention -> needs attention; accelerator.create -> create."""
    return str(name).rpartition(".")[2].replace("_", " ")


@register.filter
def money(value: Decimal | str | None, currency: str = "USD") -> str:
    """$19.90, or 19.90 EUR."""
    if value is None:
        return ""
    amount = f"{Decimal(value):,.2f}"
    return f"${amount}" if currency == "USD" else f"{amount} {currency}"


@register.filter
def money_fine(value: Decimal | str | None, currency: str = "USD") -> str:
    """With four decimals, for prices an hour."""
    if value is None:
        return ""
    amount = f"{Decimal(value):,.4f}"
    return f"${amount}" if currency == "USD" else f"{amount} {currency}"


@register.filter
def mib(value: int | None) -> str:
    """256 MiB, 1 GiB, 1.5 GiB."""
    if value is None:
        return ""
    return f"{value} MiB" if value < 1024 else f"{value / 1024:g} GiB"


@register.filter
def cores(value: int | Decimal | None) -> str:
    """Thousandths of a processor as processors."""
    if value is None:
        return ""
    number = Decimal(value) / 1000
    return f"{number.normalize():f} vCPU"


@register.filter
def plain(value: Decimal) -> str:
    """A decimal without needless zeros."""
    return f"{Decimal(value).normalize():f}"


@register.filter
def moment(value: str | datetime | None) -> datetime | None:
    """A journal's time as a datetime."""
    return parse_datetime(value) if isinstance(value, str) else value


@register.filter
def took(step: Any) -> str:
    """How long a step has taken, from its journal times."""
    started, finished = moment(step.started_at), moment(step.finished_at)
    if started is None:
        return ""
    seconds = ((finished or timezone.now()) - started).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)


@register.simple_tag
def share(used: float, limit: float | None) -> int:
    """Percent used, between 0 and 100."""
    return 0 if not limit else min(100, round(100 * used / limit))
