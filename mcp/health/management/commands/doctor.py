"""`manage.py doctor`: what is wrong with this installation, and what to do about each thing."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand

from mcp.commands import with_sentences
from mcp.health.doctor import Finding, Level, examine, mend


class Command(BaseCommand):
    """Exit code 0 when nothing is worse than a warning, 1 otherwise."""

    help = "Examine settings, database, broker, workers, hosts and books; print OK, WARN or FAIL with a remedy each."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See help."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        parser.add_argument("--only", default="", metavar="NAME", help="only examinations whose name begins with this")
        parser.add_argument("--new-field-key", action="store_true", help="print a new key for MCP_FIELD_KEYS and end")
        parser.add_argument(
            "--fix-sums", action="store_true", help="set the use of every host to the sum of its allocations, then examine"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """See class."""
        if options["new_field_key"]:
            self.stdout.write(Fernet.generate_key().decode())
            return
        if options["fix_sums"]:
            with_sentences(self._mend)
        findings = examine(options["only"])
        self._show(findings, as_json=options["as_json"])
        if any(finding.level is Level.FAIL for finding in findings):
            sys.exit(1)

    def _mend(self) -> None:
        for sentence in mend():
            self.stdout.write(sentence)

    def _show(self, findings: list[Finding], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
            return
        for finding in findings:
            self.stdout.write(f"{finding.level:<4}  {finding.name}: {finding.sentence}")
            if finding.remedy:
                self.stdout.write(f"      -> {finding.remedy}")
