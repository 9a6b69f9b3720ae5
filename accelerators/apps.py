"""Django application of accelerators."""

from __future__ import annotations

from django.apps import AppConfig


class AcceleratorsConfig(AppConfig):
    """Registers models, operation kinds, and what counts against an account's limits."""

    name = "accelerators"
    verbose_name = "Accelerators"

    def ready(self) -> None:
        """Import what registers itself by decorator."""
        from accelerators import operations  # noqa: F401  (registers the kinds)
        from accelerators.models import Accelerator
        from accelerators.services import examinations, limits, residents  # noqa: F401  (register themselves)
        from accelerators.states import TRANSITIONS
        from mcp.transitions import guard

        guard(Accelerator, "state", TRANSITIONS)
