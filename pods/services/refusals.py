"""Refused requests: kept for a while, for those who answer customers and for those who buy machines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actor import Actor
from mcp.errors import ControlPlaneError
from pods.errors import AddressesExhausted, CapacityExhausted, PlacementContended
from pods.models import Refusal

log = structlog.get_logger(__name__)

# The errors that say: not now, not for want of a right or of a sound request.
REFUSED = (CapacityExhausted, PlacementContended, AddressesExhausted)


def keep_refusal(*, actor: Actor, error: ControlPlaneError, asked: Mapping[str, Any]) -> Refusal | None:
    """Write one down, with both explanations that the error carries. None if even that is refused by the database.

    Call it after the transaction in which the error arose has been rolled back, or the row goes with it.
    """
    placement = {"operator": error.context.get("operator", {}), "customer": error.context.get("placement", {})}
    try:
        with transaction.atomic():
            return Refusal.objects.create(
                account_id=actor.account_id, actor=actor.label[:200], code=error.code, sentence=error.detail,
                request=dict(asked), placement=placement,
            )  # fmt: skip
    except DatabaseError:
        log.warning("refusal_not_kept", code=error.code, exc_info=True)
        return None


def forget_refusals() -> int:
    """Drop those that are too old, and the oldest of too many; repeatable. Answers how many went."""
    rows = Refusal.objects.order_by("-created_at", "-id")
    gone = Q(created_at__lt=timezone.now() - timedelta(days=settings.REFUSALS_KEPT_DAYS))
    first_too_many = rows.values_list("created_at", "id")[settings.REFUSALS_KEPT : settings.REFUSALS_KEPT + 1].first()
    if first_too_many is not None:
        at, key = first_too_many
        gone |= Q(created_at__lt=at) | Q(created_at=at, id__lte=key)
    return Refusal.objects.filter(gone).delete()[0]
