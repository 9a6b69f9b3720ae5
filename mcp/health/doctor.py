"""What the doctor is: examinations that each tell what they found and what to do about it.

Apps above the kernel add theirs with `examines`. An examination reads only; the few `mends` run when asked for.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import DatabaseError


class Level(enum.StrEnum):
    """How bad it is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    sentence: str
    remedy: str = ""


Examine = Callable[[], Iterable[Finding]]
Mend = Callable[[], Iterable[str]]
_mends: list[Mend] = []
_examinations: list[tuple[str, Examine]] = []


def examines(name: str) -> Callable[[Examine], Examine]:
    """Decorator: an examination under a name. It yields findings, or nothing when all is well."""

    def enlist(function: Examine) -> Examine:
        _examinations.append((name, function))
        return function

    return enlist


def mends(function: Mend) -> Mend:
    """Decorator: what `doctor --fix-sums` does. Safe at any time: under locks, repeatable. Yields what it changed."""
    _mends.append(function)
    return function


def mend() -> list[str]:
    """Run all mends; answers a sentence for each change."""
    return [sentence for function in _mends for sentence in function()]


def examine(only: str = "") -> list[Finding]:
    """Run them all (or those whose name begins with `only`), in the order of the apps."""
    findings: list[Finding] = []
    for name, function in _examinations:
        if name.startswith(only):
            findings += _run(name, function)
    return findings


def _run(name: str, function: Examine) -> list[Finding]:
    try:
        found = list(function())
    except DatabaseError as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        return [Finding(Level.FAIL, name, f"The database could not be asked: {reason}", "See the finding on the database.")]
    return found or [Finding(Level.OK, name, "fine")]
