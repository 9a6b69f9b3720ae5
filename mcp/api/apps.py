"""Django application of the API plumbing."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Registers the idempotency records under the label `api`."""

    name = "mcp.api"
    label = "api"
    verbose_name = "API"
