"""Django application of the operations engine."""

from __future__ import annotations

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Registers the models under the label `operations`."""

    name = "mcp.operations"
    label = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Enforce the table of transitions in the database."""
        from mcp.operations.models import Operation
        from mcp.operations.states import TRANSITIONS
        from mcp.transitions import guard

        guard(Operation, "state", TRANSITIONS)
