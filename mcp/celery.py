"""The Celery application. Messages carry an operation's id and nothing else; the database is the truth."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")

app = Celery("mcp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["mcp.operations", "mcp.api", "pods", "accelerators"])
