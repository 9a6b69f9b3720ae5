"""Periodic work of the API plumbing."""

from __future__ import annotations

from celery import shared_task

from mcp.api.services.idempotency import forget


@shared_task(name="mcp.api.forget_idempotency_keys")
def forget_idempotency_keys() -> None:
    """Drop what nobody will repeat any more."""
    forget()
