"""Django application of pods."""

from __future__ import annotations

from django.apps import AppConfig


class PodsConfig(AppConfig):
    """Registers the models under the label `pods`."""

    name = "pods"
    verbose_name = "Pods"
