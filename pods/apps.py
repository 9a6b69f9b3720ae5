"""Django application of pods."""

from __future__ import annotations

from django.apps import AppConfig


class PodsConfig(AppConfig):
    """Registers the models under the label `pods`."""

    name = "pods"
    verbose_name = "Pods"

    def ready(self) -> None:
        """Enforce the tables of states in the database; import what registers itself by decorator."""
        from mcp.transitions import guard
        from pods.models import Host, MaintenanceWindow, Move, MoveRun
        from pods.services import examinations, metrics  # noqa: F401  (register themselves)
        from pods.states import DUTY_TRANSITIONS, MOVE_TRANSITIONS, RUN_TRANSITIONS, WINDOW_TRANSITIONS

        guard(Host, "duty", DUTY_TRANSITIONS)
        guard(MoveRun, "state", RUN_TRANSITIONS)
        guard(Move, "state", MOVE_TRANSITIONS)
        guard(MaintenanceWindow, "state", WINDOW_TRANSITIONS)
