"""The list of error codes, read from the classes themselves: for `/api/v1/errors` and for docs/errors.md."""

from __future__ import annotations

from typing import Any

from mcp.errors import ControlPlaneError

HEAD = """# Error codes

Every error carries a `code` that never changes once published; programs branch on it, people read `detail`. The page is written
by `./manage.py error_codes --file docs/errors.md`, and a test compares it with the code. The API serves the same list at
`/api/v1/errors`, where the `type` of each problem document points.

*Retry*: `never` means the request must change first, `later` that the same request may succeed in a while (after `Retry-After`
seconds, if the answer has it), `observe` that the outcome is unknown: look before doing anything else.

| Code | Status | Retry | Title | Meaning |
|---|---|---|---|---|
"""


def family(base: type[ControlPlaneError]) -> list[type[ControlPlaneError]]:
    """All classes below one, and itself last."""
    below = [kind for child in base.__subclasses__() for kind in family(child)]
    return [*below, base]


def all_codes() -> list[dict[str, Any]]:
    """One entry a code, sorted; knows the classes of every module that has been imported.

    Where several classes share a code, the words are those of the first by module; the base class's come last.
    """
    kinds = [kind for kind in family(ControlPlaneError) if ".tests" not in kind.__module__]
    rows: dict[str, dict[str, Any]] = {}
    for kind in sorted(kinds, key=lambda kind: (kind is ControlPlaneError, kind.__module__)):
        rows.setdefault(kind.code, _entry(kind))
    return [rows[code] for code in sorted(rows)]


def _entry(kind: type[ControlPlaneError]) -> dict[str, Any]:
    words = " ".join((kind.__doc__ or "").split())
    return {
        "code": kind.code, "title": kind.title, "status": kind.status, "retry": kind.retry.value, "description": words,
    }  # fmt: skip


def as_markdown() -> str:
    """docs/errors.md."""
    lines = [
        f"| `{row['code']}` | {row['status']} | {row['retry']} | {row['title']} | {row['description'].replace('|', '/')} |"
        for row in all_codes()
    ]
    return HEAD + "\n".join(lines) + "\n"
