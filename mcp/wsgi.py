"""The WSGI entry point (gunicorn mcp.wsgi)."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")

application = get_wsgi_application()

from mcp.checks import demand_safe  # noqa: E402  (needs the settings, which the line above sets up)

demand_safe()
