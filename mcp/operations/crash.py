"""Crash points: named places where a test makes a worker die, so that every way back is travelled.

In production nothing is installed and a point costs one comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp.operations.context import StepContext

CrashHook = Callable[[str, str, str], None]  # operation kind, step, place

_installed: list[CrashHook] = []


def crash_point(ctx: StepContext, step: str, place: str) -> None:
    """A place between two effects; the installed hook may raise or end the process here."""
    for hook in _installed:
        hook(ctx.operation.kind, step, place)


def install(hook: CrashHook | None) -> None:
    """Install (or remove, with None) the process's crash hook."""
    _installed[:] = [] if hook is None else [hook]
