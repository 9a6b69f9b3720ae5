"""`manage.py drift`: differences between what is wanted and what hosts show, and what to do about each."""

from __future__ import annotations

from typing import Any

from accelerators.services.drift import adopt, ignore, restore
from accounts.actor import system
from mcp.commands import Options, VerbCommand, identifier
from pods.models import DriftFinding
from pods.states import FindingState

DECISIONS = {
    "adopt": (adopt, "make what was found the wish"),
    "restore": (restore, "bring the host back to the wish"),
    "ignore": (ignore, "leave it, and stop showing it as open"),
}


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Drift: what was changed behind MCP's back."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        listing = self.verb("list", self._list, "open findings", shows=True)
        listing.add_argument("--state", choices=FindingState.values, default=FindingState.OPEN)
        listing.add_argument("--limit", type=int, default=100)
        for verb, (_, text) in DECISIONS.items():
            self.verb(verb, self._decide, text).add_argument("id")

    def _list(self, options: Options) -> None:
        rows = DriftFinding.objects.filter(state=options["state"]).select_related("host")[: max(1, options["limit"])]
        self.show(options, [_line(row) for row in rows], f"No finding is {options['state']}.")

    def _decide(self, options: Options) -> None:
        decide, _ = DECISIONS[options["verb"]]
        row = decide(actor=system("command line"), finding_id=identifier(options["id"], "id"))
        follow = f" Operation {row.operation_id} carries it out." if row.operation_id else ""
        self.say(f"The finding is {row.state}.{follow}")


def _line(row: DriftFinding) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "host": row.host.name,
        "kind": row.kind,
        "guest": row.target_name or row.guest_name,
        "seen": row.times_seen,
        "last_seen": row.last_seen_at,
        "finding": row.sentence,
    }
