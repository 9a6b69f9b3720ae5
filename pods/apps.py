"""Django application of pods."""

from __future__ import annotations

from django.apps import AppConfig


class PodsConfig(AppConfig):
    """Registers the models under the label `pods`."""

    name = "pods"
    verbose_name = "Pods"

    def ready(self) -> None:
        """Enforce the table of duties in the database; import what registers itself by decorator."""
        from mcp.transitions import guard
        from pods.models import Host
        from pods.services import examinations, metrics  # noqa: F401  (register themselves)
        from pods.states import DUTY_TRANSITIONS

        guard(Host, "duty", DUTY_TRANSITIONS)
