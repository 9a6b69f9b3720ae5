"""`manage.py placement`: how hosts are chosen, and what was refused."""

from __future__ import annotations

from typing import Any

from accounts.actor import system
from mcp.commands import Options, VerbCommand, key_values
from mcp.errors import FieldError, InvalidInput
from pods.models import Refusal
from pods.services.weights import described_weights, set_weights

NONE = "default"


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Placement: the weights of its score terms, and refused requests."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        weights = self.verb("weights", self._weights, "show the weights of the score terms, or change some", shows=True)
        weights.add_argument("weight", nargs="*", metavar="TERM=W", help=f"0 to 100, or {NONE!r}")
        refusals = self.verb("refusals", self._refusals, "requests that found no room, newest first", shows=True)
        refusals.add_argument("--limit", type=int, default=20, help="default: 20")

    def _weights(self, options: Options) -> None:
        if options["weight"]:
            set_weights(actor=system("command line"), weights=_numbers(key_values(options["weight"], "weight")))
        self.show(options, described_weights(), "")

    def _refusals(self, options: Options) -> None:
        rows = Refusal.objects.order_by("-created_at", "-id")[: max(1, min(options["limit"], 1000))]
        self.show(options, [_line(row) for row in rows], "Nothing was refused lately.")


def _numbers(texts: dict[str, str]) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for term, text in texts.items():
        try:
            numbers[term] = None if text == NONE else float(text)
        except ValueError as exc:
            fault = FieldError(term, "malformed", f"{text[:40]!r} is neither a number nor {NONE!r}.")
            raise InvalidInput(f"{term}: {fault.message}", errors=[fault]) from exc
    return numbers


def _line(row: Refusal) -> dict[str, Any]:
    asked = row.request
    return {
        "at": row.created_at, "code": row.code, "account": row.account_id, "count": asked.get("count"),
        "plan": asked.get("plan"), "pod": asked.get("pod"), "sentence": row.sentence,
    }  # fmt: skip
