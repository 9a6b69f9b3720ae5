"""Django application of health: signs of life, metrics, the doctor."""

from __future__ import annotations

from django.apps import AppConfig


class HealthConfig(AppConfig):
    """Registers the models under the label `health`, and the kernel's own metrics and examinations."""

    name = "mcp.health"
    label = "health"
    verbose_name = "Health"

    def ready(self) -> None:
        """Import what registers itself by decorator."""
        from mcp import checks  # noqa: F401  (registers the system checks)
        from mcp.health import examinations, metrics  # noqa: F401  (register themselves)
