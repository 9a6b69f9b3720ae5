"""`manage.py operation`: what is going on, what went wrong, and another try."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from mcp.commands import Options, VerbCommand, identifier
from mcp.errors import NotFound
from mcp.operations.models import Operation
from mcp.operations.services.cancel import cancel
from mcp.operations.services.retry import retry
from mcp.operations.states import OperationState

FACTS = (
    "kind", "state", "progress", "target_type", "target_name", "target_id", "account_id", "actor", "request_id", "queue",
    "attempt", "fence", "lease_owner", "lease_until", "not_before", "troubled_since", "created_at", "started_at",
    "finished_at", "message", "error_code", "error_message", "operator_detail",
)  # fmt: skip


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Operations: everything that takes time, with its steps."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        listing = self.verb("list", self._list, "the newest operations", shows=True)
        listing.add_argument("--state", choices=OperationState.values, default="")
        listing.add_argument("--target", default="", help="name or id of what they work on")
        listing.add_argument("--limit", type=int, default=30)
        show = self.verb("show", self._show, "one operation: steps, placement, and what an operator needs to know", shows=True)
        show.add_argument("id")
        self.verb("retry", self._retry, "try one that needs attention again").add_argument("id")
        self.verb("cancel", self._cancel, "cancel at the next step boundary, taking back what was begun").add_argument("id")

    def _list(self, options: Options) -> None:
        rows = _selected(options)[: max(1, options["limit"])]
        self.show(options, [_line(row) for row in rows], "There is no such operation.")

    def _show(self, options: Options) -> None:
        row = Operation.objects.filter(pk=identifier(options["id"], "id")).first()
        if row is None:
            raise NotFound(f"There is no operation {options['id']}.")
        if options["as_json"]:
            facts = {name: getattr(row, name) for name in FACTS}
            self.show_json({"id": row.pk, **facts, "steps": row.journal, "placement": row.placement, "params": row.params})
            return
        self._tell(row)

    def _tell(self, row: Operation) -> None:
        self.say(f"operation       {row.pk}")
        for name in FACTS:
            value = getattr(row, name)
            if value not in (None, ""):
                self.say(f"{name.replace('_', ' '):<16}{value}")
        self.say("steps")
        for step in row.steps:
            times = f"{step.started_at or ''} .. {step.finished_at or ''}" if step.started_at else ""
            self.say(f"  {step.name:<14}{step.state:<10}attempt {step.attempt}  {times}  {step.message}".rstrip())
        for name, value in (row.placement or {}).get("operator", {}).items():
            self.say(f"placement {name}: {value}")

    def _retry(self, options: Options) -> None:
        row = retry(identifier(options["id"], "id"))
        self.say(f"{row.kind} {row.target_name} is queued again.")

    def _cancel(self, options: Options) -> None:
        row = cancel(identifier(options["id"], "id"))
        self.say(f"{row.kind} {row.target_name} will be cancelled at its next step.")


def _selected(options: Options) -> QuerySet[Operation]:
    rows = Operation.objects.order_by("-created_at", "-id")
    if options["state"]:
        rows = rows.filter(state=options["state"])
    if wanted := options["target"]:
        rows = rows.filter(target_id=wanted) if len(wanted) == 36 else rows.filter(target_name=wanted)
    return rows


def _line(row: Operation) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "target": row.target_name,
        "state": row.state,
        "progress": row.progress,
        "created": row.created_at,
        "message": row.error_message or row.message,
    }
