"""Change a plan's name, price, order, whether it is sold, and whether what is made of it is preemptible."""

from __future__ import annotations

from typing import Any

from accelerators.models import Plan
from accounts.actor import Actor
from pods.services.change import change_row

EDITABLE = (
    "name", "price_hourly", "price_monthly", "price_yearly", "active", "position", "preemptible", "comes_back",
    "required_traits", "forbidden_traits",
)  # fmt: skip


def edit_plan(*, actor: Actor, plan: Plan, **wanted: Any) -> Plan:
    """Apply the fields given (of EDITABLE); sizes never change. Raises Forbidden, InvalidInput.

    Whether an accelerator is preemptible is decided when it is made; a change of the plan concerns those made later.
    """
    assert set(wanted) <= set(EDITABLE)
    return change_row(plan, actor=actor, noun="plan", wanted=wanted)
