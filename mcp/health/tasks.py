"""Periodic work of health."""

from __future__ import annotations

from celery import shared_task

from mcp.health.services.pulse import forget_the_dead


@shared_task(name="mcp.health.forget_the_dead")
def forget() -> None:
    """Remove old signs of life."""
    forget_the_dead()
