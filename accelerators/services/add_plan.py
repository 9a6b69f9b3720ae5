"""Sell a new plan."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accelerators.models import Plan
from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden
from mcp.events.services.audit import audit
from pods.services.change import check_row


def add_plan(*, actor: Actor, slug: str, **fields: Any) -> Plan:
    """Make a plan from the model's own fields. Raises Forbidden, Conflict for a slug in use, InvalidInput."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation make plans.")
    with transaction.atomic():
        if Plan.objects.filter(slug=slug).exists():
            raise Conflict(f"slug: the plan {slug} exists already; choose another slug.")
        plan = Plan(slug=slug, **fields)
        check_row(plan)
        plan.save()
        audit(
            "plan.add", actor=actor.label, source=actor.source, target_type="plan", target_id=plan.pk, target_name=slug,
            changes={name: str(value) for name, value in fields.items()},
        )  # fmt: skip
    return plan
