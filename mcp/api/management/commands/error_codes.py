"""`./manage.py error_codes [--file docs/errors.md]`: the page of error codes."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.urls import get_resolver

from mcp.api.codes import as_markdown


class Command(BaseCommand):
    """Prints the page, or writes it."""

    help = "Print or write the page of error codes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--file."""
        parser.add_argument("--file", type=Path, help="Write the page there instead of printing it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Importing the URLs imports every module that can raise something."""
        assert get_resolver().url_patterns
        page = as_markdown()
        if options["file"] is None:
            self.stdout.write(page, ending="")
        else:
            options["file"].write_text(page, encoding="utf-8")
