"""`./manage.py lifecycles [--check]`: draw the tables of transitions into docs/lifecycles/."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accelerators import states as accelerators
from mcp.lifecycles import as_rows, diagram, put
from mcp.operations import states as operations
from mcp.transitions import Table
from pods import states as pods


def drawings() -> dict[str, str]:
    """What belongs into each page of docs/lifecycles, by its name."""
    waiting = operations.OperationState.QUEUED
    return {
        "accelerator": _both(accelerators.TRANSITIONS, accelerators.State.PROVISIONING, accelerators.SETTLED),
        "operation": _both(operations.TRANSITIONS, waiting, operations.SETTLED | {operations.OperationState.NEEDS_ATTENTION}),
        "move-run": "\n\n".join(
            [
                _both(pods.RUN_TRANSITIONS, pods.MoveRunState.RUNNING, pods.MoveRunState.values),
                "Each guest of a run:",
                _both(pods.MOVE_TRANSITIONS, pods.MoveState.PLANNED, [*_ends(pods.MOVE_TRANSITIONS), pods.MoveState.PLANNED]),
            ]
        ),
        "maintenance-window": _both(pods.WINDOW_TRANSITIONS, pods.WindowState.PLANNED, pods.WindowState.values),
        "host": _both(pods.DUTY_TRANSITIONS, pods.HostDuty.ACTIVE, frozenset(pods.HostDuty.values)) + "\n\n" + _shown(),
    }


def _ends(table: Table) -> list[str]:
    return [state for state, nexts in table.items() if not nexts]


def _both(table: Table, first: str, settled: Collection[str]) -> str:
    return f"{diagram(table, first=first)}\n\n{as_rows(table, settled=settled)}"


def _shown() -> str:
    rows = [
        f"| `{duty}` | `{pods.shown_state(duty, True)}` | `{pods.shown_state(duty, False)}` |" for duty in pods.HostDuty.values
    ]
    return "\n".join(["| Duty | Shown when it answers | Shown when it does not |", "|---|---|---|", *rows])


class Command(BaseCommand):
    """Rewrites what stands between the marks; the words around it are people's."""

    help = "Draw the life cycles in docs/lifecycles from the tables in the code."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--check, --directory."""
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is out of date")
        parser.add_argument("--directory", type=Path, default=settings.BASE_DIR / "docs" / "lifecycles")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write, or compare. Raises CommandError naming the pages that are out of date."""
        stale = [name for name, text in drawings().items() if _is_stale(options["directory"] / f"{name}.md", text)]
        if options["check"] and stale:
            raise CommandError(f"Out of date: {', '.join(stale)}; run ./manage.py lifecycles.")
        for name in stale:
            page = options["directory"] / f"{name}.md"
            page.write_text(put(page.read_text(encoding="utf-8"), drawings()[name]), encoding="utf-8")
            self.stdout.write(f"wrote {page}")


def _is_stale(page: Path, drawing: str) -> bool:
    text = page.read_text(encoding="utf-8")
    return put(text, drawing) != text
