"""The weights of placement's score terms: the defaults, and what operators changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor
from mcp.errors import FieldError, Forbidden, InvalidInput
from mcp.events.services.audit import audit
from pods.models import PlacementWeight
from pods.placement.scores import DEFAULT_WEIGHTS, TERMS

MOST = 100.0
_known: tuple[float, dict[str, float]] = (float("-inf"), {})


def placement_weights() -> dict[str, float]:
    """Every term's weight; asked of the database at most once in PLACEMENT_REFRESH_S."""
    global _known  # noqa: PLW0603  (one small cache a process)
    if settings.PLACEMENT_REFRESH_S <= 0 or time.monotonic() - _known[0] > settings.PLACEMENT_REFRESH_S:
        rows = PlacementWeight.objects.filter(term__in=TERMS).values_list("term", "weight")
        _known = (time.monotonic(), {**DEFAULT_WEIGHTS, **dict(rows)})
    return dict(_known[1])


def set_weights(*, actor: Actor, weights: Mapping[str, float | None]) -> dict[str, float]:
    """Change the weights given; None goes back to the default. Answers all of them.

    Raises Forbidden, InvalidInput naming each unknown term or weight out of 0 to 100.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    errors = [error for term, weight in weights.items() if (error := _fault(term, weight))]
    if errors:
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors)
    with transaction.atomic():
        for term, weight in weights.items():
            if weight is None:
                PlacementWeight.objects.filter(term=term).delete()
            else:
                PlacementWeight.objects.update_or_create(term=term, defaults={"weight": weight, "changed_at": timezone.now()})
        audit(
            "placement.weights", actor=actor.label, source=actor.source, target_type="placement", target_id="weights",
            target_name="weights", changes=dict(weights),
        )  # fmt: skip
    return {**DEFAULT_WEIGHTS, **dict(PlacementWeight.objects.filter(term__in=TERMS).values_list("term", "weight"))}


def described_weights() -> list[dict[str, Any]]:
    """Every term as people read it: its meaning, its default, its weight, and whether an operator set that. One query."""
    own = dict(PlacementWeight.objects.filter(term__in=TERMS).values_list("term", "weight"))
    return [
        {"term": term, "meaning": meaning, "default": default, "weight": own.get(term, default), "changed": term in own}
        for term, meaning in TERMS.items()
        for default in [DEFAULT_WEIGHTS[term]]
    ]


def _fault(term: str, weight: float | None) -> FieldError | None:
    if term not in TERMS:
        return FieldError(term, "unknown", f"there is no such term; there are {', '.join(TERMS)}.")
    if weight is not None and not 0 <= weight <= MOST:
        return FieldError(term, "out_of_range", f"use 0 to {MOST:g}, or null for the default {DEFAULT_WEIGHTS[term]:g}.")
    return None
