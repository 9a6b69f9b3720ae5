"""Find a row by the id or the name that a path holds."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from mcp.errors import InvalidInput, NotFound

M = TypeVar("M", bound=Model)


def as_id(ref: str) -> UUID | None:
    """The id that a path segment is, if it is one."""
    try:
        return UUID(ref) if len(ref) == 36 else None
    except ValueError:
        return None


def find(rows: QuerySet[M], ref: str, *, name: str, what: str) -> M:
    """The row whose id or whose `name` column is `ref`. One query.

    Raises NotFound, which never tells whether it exists elsewhere; InvalidInput when a name fits several rows.
    """
    key = as_id(ref)
    if not ref.isprintable() or len(ref) > 300:
        raise NotFound(f"There is no such {what}.")
    found = list(rows.filter(Q(pk=key) if key is not None else Q(**{name: ref}))[:2])
    if not found:
        raise NotFound(f"There is no {what} {ref[:80]!r}" + (" in this account." if what != "pod" else "."))
    if len(found) > 1:
        raise InvalidInput.on(what, f"several are called {ref[:80]!r}; use the id.", "ambiguous")
    return found[0]
