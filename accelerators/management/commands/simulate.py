"""`manage.py simulate`: fill the database with a plausible fleet of simulated hosts."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accelerators.fleet.simulate import FleetWish, simulate
from mcp.commands import with_sentences


class Command(BaseCommand):
    """See help."""

    help = (
        "Fill the database with a plausible fleet: pods, simulated hosts, accounts, accelerators with their history. "
        "Each run adds a world of its own and changes nothing that exists; the same seed and sizes make the same fleet."
    )
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See help."""
        parser.add_argument("--hosts", type=int, default=100, help="default: %(default)s")
        parser.add_argument("--accelerators", type=int, default=1_000, help="in all states; default: %(default)s")
        parser.add_argument("--pods", type=int, default=4, help="default: %(default)s")
        parser.add_argument("--accounts", type=int, default=0, help="default: one for twenty accelerators")
        parser.add_argument("--seed", type=int, default=1, help="what chance begins with; default: %(default)s")
        parser.add_argument(
            "--state", type=Path, metavar="DIR", help="where the simulated machines keep their state; default: below MCP_VAR_DIR"
        )
        parser.add_argument("--beside-real-hosts", action="store_true", help="even where real hosts are enrolled")

    def handle(self, *args: Any, **options: Any) -> None:
        """See class."""
        with_sentences(lambda: self._run(options))

    def _run(self, options: dict[str, Any]) -> None:
        began = time.monotonic()
        names = ("hosts", "accelerators", "pods", "accounts", "seed", "beside_real_hosts")
        state_dir = options["state"] or settings.VAR_DIR / "fleet"
        wish = FleetWish(state_dir=state_dir, **{name: options[name] for name in names})
        world = simulate(wish, self._tell)
        self._tell(f"{world} stands after {time.monotonic() - began:.0f} s; its machines remember in {state_dir / world}")

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
