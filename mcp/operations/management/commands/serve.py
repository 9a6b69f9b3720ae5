"""`manage.py serve`: portal, API, worker and clock in one process, watched by gunicorn's master."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mcp.health.readiness import unapplied_migrations


class Command(BaseCommand):
    """Becomes gunicorn (the same process id), so whoever started it can watch and end it."""

    help = "Serve the portal and the API; with the in-process broker, the worker and the clock too."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See help."""
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: this machine only)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check what can be checked beforehand, then become gunicorn."""
        if missing := unapplied_migrations():
            raise CommandError(f"{len(missing)} migrations are missing; run ./manage.py migrate first.")
        os.environ["MCP_BIND"] = f"{options['address']}:{options['port']}"
        configuration = settings.BASE_DIR / "deploy" / "gunicorn.conf.py"
        os.chdir(settings.BASE_DIR)
        command = [sys.executable, "-m", "gunicorn", "-c", str(configuration), "mcp.wsgi"]
        os.execv(sys.executable, command)  # noqa: S606  (an argument list, no shell)
