"""The price in view: a create carried out and rolled back, so that what it says is what would happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from django.conf import settings
from django.db import transaction

from accelerators.models import Plan
from accelerators.services.create import Created, create_accelerators
from accelerators.services.wish import MAX_COUNT, CreateWish
from accelerators.web.forms import PLACEMENT
from accounts.actor import Actor
from accounts.services.limits import LimitUse
from mcp.errors import ControlPlaneError
from mcp.ids import new_id

FIELDS = ("plan", "image", "pod", "count", *PLACEMENT)
SHOWN = ("accelerators", "memory_mib", "vcpus", "disk_gib")


@dataclass(frozen=True, slots=True)
class Quote:
    """What it would cost and whether it fits."""

    plan: Plan | None
    count: int
    placed: int = 0
    fits: bool = False
    limits: list[LimitUse] = field(default_factory=list)
    error: ControlPlaneError | None = None
    waits: bool = False

    @property
    def monthly(self) -> Decimal:
        """For all of them."""
        return self.plan.price_monthly * self.count if self.plan else Decimal(0)

    @property
    def hourly(self) -> Decimal:
        """For all of them."""
        return self.plan.price_hourly * self.count if self.plan else Decimal(0)

    @property
    def yearly(self) -> Decimal:
        """For all of them."""
        return self.plan.price_yearly * self.count if self.plan else Decimal(0)


def quote_for(actor: Actor, data: Mapping[str, str]) -> Quote:
    """From raw form values, whatever they are; only plan, image, count and what says where (FIELDS) matter."""
    plan = Plan.objects.filter(slug=data.get("plan", ""), active=True).first()
    count = _count(data.get("count", ""))
    if plan is None or not data.get("image") or not actor.may("accelerators.write"):
        return Quote(plan, count)
    wish = CreateWish(
        name=f"q-{new_id().hex[:24]}", plan=plan.slug, image=data["image"], pod=data.get("pod", ""), count=count, ssh_keys=[],
        location=data.get("location", ""), group=data.get("group", "").strip(), spread=data.get("spread", ""),
        spread_limit=_count(data.get("spread_limit", "")), spread_policy=data.get("spread_policy") or "required",
        near=data.get("near", "").strip(), near_policy=data.get("near_policy") or "preferred",
        as_many_as_fit=bool(data.get("as_many_as_fit")),
    )  # fmt: skip
    try:
        created = _rehearse(actor, wish)
    except ControlPlaneError as error:
        return Quote(plan, count, error=error)
    limits = [line for line in created.limits_after if line.resource in SHOWN]
    placed = len(created.accelerators)
    return Quote(plan, count, placed=placed, fits=True, limits=limits, waits=created.room_by is not None)


def _count(text: str) -> int:
    try:
        return max(1, min(MAX_COUNT, int(Decimal(text))))
    except (InvalidOperation, ValueError, OverflowError):
        return 1


def _rehearse(actor: Actor, wish: CreateWish) -> Created:
    """The whole acceptance, then nothing of it. Raises what it would raise."""
    with transaction.atomic():
        created = create_accelerators(actor=actor, wish=wish)
        transaction.set_rollback(True)
    return created


def notice_words() -> str:
    """How long preemptible accelerators are told before."""
    seconds = settings.PREEMPT_NOTICE_S
    return f"{seconds / 60:g} minutes" if seconds > 60 and seconds % 60 == 0 else f"{seconds:g} seconds"
