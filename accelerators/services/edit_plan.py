"""Change a plan's name, price, order, or whether it is sold."""

from __future__ import annotations

from typing import Any

from accelerators.models import Plan
from accounts.actor import Actor
from pods.services.change import change_row

EDITABLE = ("name", "price_hourly", "price_monthly", "price_yearly", "active", "position")


def edit_plan(*, actor: Actor, plan: Plan, **wanted: Any) -> Plan:
    """Apply the fields given (of EDITABLE); sizes never change. Raises Forbidden, InvalidInput."""
    assert set(wanted) <= set(EDITABLE)
    return change_row(plan, actor=actor, noun="plan", wanted=wanted)
