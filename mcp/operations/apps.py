"""Django application of the operations engine."""

from __future__ import annotations

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Registers the models under the label `operations`."""

    name = "mcp.operations"
    label = "operations"
    verbose_name = "Operations"
