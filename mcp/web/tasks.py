"""Celery tasks of the pages."""

from __future__ import annotations

from celery import shared_task

from mcp.web.once import forget_old_tokens as forget


@shared_task(name="mcp.web.forget_form_tokens")
def forget_form_tokens() -> None:
    """Drop what nobody will send again."""
    forget()
