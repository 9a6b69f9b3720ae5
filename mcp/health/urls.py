"""Addresses of health."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from mcp.health import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
