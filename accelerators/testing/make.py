"""Factories for tests: plans and accelerators."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from accelerators.models import Accelerator, Plan
from accelerators.services.create import Created, create_accelerators
from accelerators.services.wish import CreateWish
from accounts.actor import Actor
from mcp.testing.drain import drain


def make_plan(slug: str = "zone-256m", **fields: Any) -> Plan:
    """A plan; the seeded one where it is still there (tests that flush the database lose the seeds)."""
    defaults = {
        "name": slug, "memory_mib": 256, "vcpus": Decimal(1), "disk_gib": 5, "processes": 256,
        "price_hourly": Decimal("0.0273"), "price_monthly": Decimal("19.90"), "price_yearly": Decimal("199.00"), **fields,
    }  # fmt: skip
    return Plan.objects.get_or_create(slug=slug, defaults=defaults)[0]


def ask_for(actor: Actor, name: str = "web", **wish: Any) -> Created:
    """Ask for accelerators; nothing is carried out yet."""
    return create_accelerators(actor=actor, wish=CreateWish(**{"name": name, "plan": "zone-256m", "image": "debian-12", **wish}))


def make_running(actor: Actor, name: str = "web", **wish: Any) -> Accelerator:
    """One accelerator, carried out and running."""
    created = ask_for(actor, name, **wish)
    drain()
    row = Accelerator.objects.get(pk=created.accelerators[0].pk)
    assert row.state == "running", (row.state, row.failure_message)
    return row
