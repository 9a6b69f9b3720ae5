"""Filters of lists: each query parameter is declared, checked, and named when it is wrong; unknown ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet, Subquery
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from mcp.errors import FieldError, InvalidInput

M = TypeVar("M", bound=Model)
# Understood by every endpoint, whatever it lists.
GENERAL = frozenset({"limit", "ordering", "cursor", "dry_run"})


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter: `read` turns its text into a condition, raising ValueError with the remedy."""

    help: str
    read: Callable[[str], Q]


def text(lookup: str, help: str, most: int = 200) -> Filter:
    """Equal to a text."""

    def read(value: str) -> Q:
        if len(value) > most:
            raise ValueError(f"at most {most} characters")
        return Q(**{lookup: value})

    return Filter(help, read)


def named(lookup: str, model: type[Model], column: str, help: str) -> Filter:
    """Of a row that goes by a name, looked up apart: joined, the database could not read the list in an index's order."""

    def read(value: str) -> Q:
        if len(value) > 200:
            raise ValueError("at most 200 characters")
        return Q(**{lookup: Subquery(model._default_manager.filter(**{column: value}).order_by().values("pk")[:1])})

    return Filter(help, read)


def choice(lookup: str, values: Collection[str], help: str) -> Filter:
    """One or several (comma-separated) of a closed set."""

    def read(value: str) -> Q:
        wanted = value.split(",")
        if not set(wanted) <= set(values):
            raise ValueError(f"choose from {', '.join(values)}")
        return Q(**{f"{lookup}__in": wanted})

    return Filter(f"{help} One or several of {', '.join(values)}, separated by commas.", read)


def identifier(lookup: str, help: str) -> Filter:
    """Equal to a UUID."""

    def read(value: str) -> Q:
        try:
            return Q(**{lookup: UUID(value)})
        except ValueError:
            raise ValueError("must be an id (UUID)") from None

    return Filter(help, read)


def moment(lookup: str, help: str) -> Filter:
    """Compared with a time."""

    def read(value: str) -> Q:
        parsed: datetime | None = parse_datetime(value.replace(" ", "+"))
        if parsed is None or parsed.tzinfo is None:
            raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
        return Q(**{lookup: parsed})

    return Filter(help, read)


def flag(lookup: str, help: str) -> Filter:
    """Equal to true or false."""

    def read(value: str) -> Q:
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return Q(**{lookup: value == "true"})

    return Filter(help, read)


def filtered(request: Request, rows: QuerySet[M], filters: Mapping[str, Filter], *, others: str = "") -> QuerySet[M]:
    """Apply the request's filters. `others` is a prefix (`tag.`) that the caller handles itself.

    Raises InvalidInput with one error a parameter.
    """
    faults: list[FieldError] = []
    for name in request.query_params:
        value = param(request, name)
        if name in GENERAL or (others and name.startswith(others)):
            continue
        found = filters.get(name)
        try:
            if found is None:
                raise ValueError(f"is not a filter here; there are {', '.join(sorted(filters)) or 'none'}")
            rows = rows.filter(found.read(value))
        except ValueError as exc:
            faults.append(FieldError(name[:80], "invalid" if found else "unknown", f"{exc}."))
    if faults:
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in faults), errors=faults)
    return rows


def param(request: Request, name: str, default: str = "") -> str:
    """A query parameter; the last one where it is repeated."""
    return str(request.query_params.get(name, default))


def switch(request: Request, name: str) -> bool:
    """A query parameter that is true, false or absent. Raises InvalidInput."""
    value: Any = request.query_params.get(name, "false")
    if value not in ("true", "false"):
        raise InvalidInput.on(name, "must be true or false.")
    return bool(value == "true")
