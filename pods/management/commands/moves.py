"""`manage.py moves`: runs of moves between hosts. `host evacuate` and `pod rebalance` begin them."""

from __future__ import annotations

from collections.abc import Callable

from accounts.actor import system
from mcp.commands import Options, VerbCommand, identifier
from mcp.errors import NotFound
from pods.management.moving import tell_run
from pods.models import MoveRun
from pods.services.move_words import present_run, present_runs, runs
from pods.services.steer_moves import abort_moves, pause_moves, resume_moves
from pods.states import LIVE_RUNS

SHOWN = 50
VERBS: dict[str, tuple[Callable[..., MoveRun], str]] = {
    "pause": (pause_moves, "begin no more moves; those at work end"),
    "resume": (resume_moves, "go on after a pause"),
    "abort": (abort_moves, "drop what has not begun, and cancel what has not switched over"),
}


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Runs of moves: evacuations and rebalances."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        listing = self.verb("list", self._list, "the newest runs", shows=True)
        listing.add_argument("--live", action="store_true", help="only those that have not ended")
        self.verb("show", self._show, "one run with all its guests", shows=True).add_argument("id", metavar="RUN")
        for verb, (_, text) in VERBS.items():
            self.verb(verb, self._steer, text).add_argument("id", metavar="RUN")

    def _list(self, options: Options) -> None:
        rows = runs().filter(state__in=sorted(LIVE_RUNS)) if options["live"] else runs()
        lines = [
            {
                "id": run["id"], "what": run["purpose"], "of": run["host"] or run["pod"], "state": run["state"],
                "how_far": run["sentence"], "begun": run["created_at"], "by": run["actor"],
            }
            for run in present_runs(list(rows[:SHOWN]))
        ]  # fmt: skip
        self.show(options, lines, "There is no run: ./manage.py host evacuate HOST, or ./manage.py pod rebalance POD")

    def _show(self, options: Options) -> None:
        shown = present_run(_find(options["id"]))
        if options["as_json"]:
            self.show_json(shown)
        else:
            tell_run(self, shown)

    def _steer(self, options: Options) -> None:
        service, _ = VERBS[options["verb"]]
        run = service(actor=system("command line"), run=_find(options["id"]))
        self.say(f"The {run} is {run.state}.")


def _find(text: str) -> MoveRun:
    row = runs().filter(pk=identifier(text, "run")).first()
    if row is None:
        raise NotFound(f"There is no run {text}; `./manage.py moves list` shows them.")
    return row
