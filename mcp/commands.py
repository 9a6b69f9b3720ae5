"""What the operator's commands share: verbs as sub-commands, tables, JSON, and errors as a sentence with exit code 1."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from mcp.errors import ControlPlaneError, InvalidInput

Options = dict[str, Any]


class VerbCommand(BaseCommand):
    """A noun with verbs: `manage.py NOUN VERB ...`. Sub-classes add verbs with `verb` in `add_verbs`.

    Errors of the ControlPlaneError family become one sentence each on standard error, exit code 1.
    """

    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-parser a verb."""
        self._verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        self.add_verbs()

    def add_verbs(self) -> None:
        """Declare the verbs."""
        raise NotImplementedError

    def verb(self, name: str, run: Callable[[Options], None], text: str, *, shows: bool = False) -> ArgumentParser:
        """Declare one verb; `shows` gives it `--json`."""
        verbs: _SubParsersAction[Any] = self._verbs
        parser: ArgumentParser = verbs.add_parser(name, help=text, description=text)
        if shows:
            parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        parser.set_defaults(run=run)
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb."""
        with_sentences(lambda: options["run"](options))

    def say(self, text: str = "") -> None:
        """One line for people."""
        self.stdout.write(text)

    def show(self, options: Options, rows: Sequence[Mapping[str, Any]], empty: str) -> None:
        """A table for people, or JSON with `--json`."""
        if options.get("as_json"):
            self.show_json(list(rows))
        elif rows:
            self.say(table(rows))
        else:
            self.say(empty)

    def show_json(self, value: Any) -> None:
        """JSON for programs."""
        self.say(json.dumps(value, indent=2, default=str))


def with_sentences(run: Callable[[], None]) -> None:
    """Call, and turn what went wrong into a CommandError that says what to do."""
    try:
        run()
    except ControlPlaneError as error:
        raise CommandError("\n".join(sentences(error))) from error
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    except (OperationalError, ProgrammingError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise CommandError(f"The database refused: {first}. Try `./manage.py migrate`, then `./manage.py doctor`.") from error


def sentences(error: ControlPlaneError) -> list[str]:
    """The title where the detail does not say it, the detail, and each field's error that the detail leaves out."""
    lines = [error.detail if error.detail == error.title else f"{error.title}: {error.detail}"]
    lines += [f"  {e.field}: {e.message}" for e in error.errors if e.message not in error.detail]
    return [*lines, f"  ({error.code})"]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Columns as wide as they need to be; the keys of the first row are the headings."""
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    heads = [column.replace("_", " ").upper() for column in columns]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(columns))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in [heads, *cells])


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if hasattr(value, "strftime"):
        return f"{value:%F %T}"
    return str(value)


def key_values(pairs: Iterable[str], field: str) -> dict[str, str]:
    """`["a=1"]` as a mapping. Raises InvalidInput naming the field."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInput.on(field, f"write NAME=VALUE; {pair!r} is not of that form.")
        found[name] = value
    return found


def words(text: str) -> list[str]:
    """`"a,b c"` as a list, without doubles."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def identifier(text: str, field: str) -> UUID:
    """A UUID. Raises InvalidInput."""
    try:
        return UUID(text)
    except ValueError as exc:
        raise InvalidInput.on(field, f"{text!r} is not an id; `list` shows them.") from exc


def confirmed(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
