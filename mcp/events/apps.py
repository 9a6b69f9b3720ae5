"""Django application of events and the audit trail."""

from __future__ import annotations

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Registers the models under the label `events`."""

    name = "mcp.events"
    label = "events"
    verbose_name = "Events and audit"
