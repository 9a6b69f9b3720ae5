"""Periodic work on what the operator owns."""

from __future__ import annotations

from celery import shared_task

from pods.services.advance_moves import advance_moves
from pods.services.keep_windows import keep_windows
from pods.services.refusals import forget_refusals as forget
from pods.services.sample_capacity import sample_capacity as sample


@shared_task(name="pods.sample_capacity")
def sample_capacity() -> None:
    """Note how full each pod is, once an hour however often this runs."""
    sample()


@shared_task(name="pods.forget_refusals")
def forget_refusals() -> None:
    """Drop refusals that are too old or too many."""
    forget()


@shared_task(name="pods.look_after_moves")
def look_after_moves() -> None:
    """Begin the moves that are due, and settle those that ended."""
    advance_moves()


@shared_task(name="pods.look_after_windows")
def look_after_windows() -> None:
    """Open and close maintenance windows."""
    keep_windows()
