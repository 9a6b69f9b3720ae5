"""What commands share that show runs of moves: the plan as a table, with a picture, and a question before it is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from mcp.commands import Options, VerbCommand, confirmed, table
from mcp.errors import InvalidInput
from pods.models import MoveRun
from pods.services.move_words import present_run, runs

WIDTH = 20


def add_run_options(parser: Any) -> None:
    """What `host evacuate` and `pod rebalance` have in common."""
    parser.add_argument("--parallel", type=int, default=2, metavar="N", help="moves at once (default: 2)")
    parser.add_argument("--reason", default="", help="kept with the run and in the audit trail")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def begin(command: VerbCommand, options: Options, service: Callable[[], MoveRun]) -> None:
    """Show the plan (the service itself, rolled back), ask, and carry it out."""
    with transaction.atomic():
        shown = present_run(runs().get(pk=service().pk))
        transaction.set_rollback(True)
    if options["as_json"] and options["dry_run"]:
        command.show_json(shown)
        return
    if not options["as_json"]:
        tell_run(command, shown)
    if options["dry_run"] or not shown["moves"]:
        return
    if not options["yes"] and not confirmed("Carry this out?"):
        raise CommandError("Nothing was changed. Say yes (or give --yes) to carry it out.")
    run = service()
    if options["as_json"]:
        command.show_json(present_run(runs().get(pk=run.pk)))
        return
    command.say(f"Begun as {run.pk}. `./manage.py moves show {run.pk}` tells how far it is; pause, resume and abort steer it.")


def tell_run(command: VerbCommand, shown: dict[str, Any]) -> None:
    """For people: the sentence, the moves in order, those that stay with their reasons, and bars of before and after."""
    what = f"{shown['purpose']} of {shown['host'] or shown['pod']}"
    command.say(f"{what.capitalize()}: {shown['sentence']}")
    going = [move for move in shown["moves"] if move["target"]]
    if going:
        command.say(table([_line(move) for move in going]))
    for move in shown["moves"]:
        if not move["target"]:
            command.say(f"  {move['name']} stays on {move['source']}: {move['reason']}")
    for line in _bars(shown["picture"]):
        command.say(line)


def _line(move: dict[str, Any]) -> dict[str, Any]:
    return {
        "no": move["position"], "guest": move["name"], "from": move["source"], "to": move["target"],
        "memory_mib": move["memory_mib"], "disk_gib": move["disk_gib"],
        "gain": None if move["gain"] is None else f"{move['gain']:.3f}", "state": move["state"], "why": move["reason"],
    }  # fmt: skip


def _bars(picture: list[dict[str, Any]]) -> Iterator[str]:
    widest = max((len(entry["host"]) for entry in picture), default=0)
    for entry in picture:
        parts = [f"{name} {_bar(entry[name][0])} -> {_bar(entry[name][1])}" for name in ("memory", "disk")]
        yield f"  {entry['host']:<{widest}}  {'   '.join(parts)}"


def _bar(percent: int) -> str:
    full = min(WIDTH, round(percent * WIDTH / 100))
    return f"[{'#' * full}{'.' * (WIDTH - full)}]{percent:>4} %"


def moment(text: str, field: str) -> datetime:
    """A time as people type it; UTC unless it says otherwise. Raises InvalidInput."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput.on(field, f"{text!r} is no time; write it like 2026-12-01T08:00.") from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)
