"""Keyset paging: a page begins after a row, not after a number of rows, so page 1,000 costs what page 1 costs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from mcp.errors import InvalidInput

M = TypeVar("M", bound=Model)
DEFAULT_LIMIT = 50
MOST = 500


@dataclass(frozen=True, slots=True)
class Order:
    """One column, up or down; the primary key breaks ties in the same direction."""

    column: str
    down: bool

    @property
    def words(self) -> tuple[str, ...]:
        """For `order_by`."""
        sign = "-" if self.down else ""
        return (f"{sign}{self.column}",) if self.column == "pk" else (f"{sign}{self.column}", f"{sign}pk")

    def reversed(self) -> Order:
        """The other way."""
        return Order(self.column, not self.down)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows and the addresses of their neighbours."""

    rows: list[M]
    next: str | None
    previous: str | None

    def body(self, results: Sequence[Any]) -> dict[str, Any]:
        """The answer."""
        return {"results": list(results), "next": self.next, "previous": self.previous}


def paged(request: Request, rows: QuerySet[M], ordering: Sequence[str] = ("-created_at",)) -> Page[M]:
    """One page of a query set; `ordering` lists what callers may ask for (either direction), the default first.

    One query. Columns must not be null. Raises InvalidInput for a bad limit, ordering or cursor.
    """
    limit, order = limit_of(request), order_of(request, ordering)
    cursor = _decode(request.query_params.get("cursor", ""), order, rows.model)
    walk = order.reversed() if cursor and cursor.back else order
    if cursor is not None:
        rows = rows.filter(_beyond(walk, cursor))
    found = list(rows.order_by(*walk.words)[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    back = cursor is not None and cursor.back
    if back:
        found.reverse()
    has_next, has_previous = (True, more) if back else (more, cursor is not None)
    return Page(
        found,
        next=_link(request, order, found[-1], back=False) if has_next and found else None,
        previous=_link(request, order, found[0], back=True) if has_previous and found else None,
    )


def limit_of(request: Request) -> int:
    """`?limit=`. Raises InvalidInput."""
    raw = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not raw.isascii() or not raw.isdigit() or len(raw) > 6 or not 1 <= int(raw) <= MOST:
        raise InvalidInput.on("limit", f"must be a number from 1 to {MOST}.", "out_of_range")
    return int(raw)


def order_of(request: Request, allowed: Sequence[str]) -> Order:
    """`?ordering=`. Raises InvalidInput naming what there is."""
    wanted = request.query_params.get("ordering", allowed[0])
    names = [name.lstrip("-") for name in allowed]
    if wanted.removeprefix("-") not in names:
        raise InvalidInput.on("ordering", f"choose one of {', '.join(names)}, with - before it for descending.", "unknown")
    column = wanted.removeprefix("-")
    return Order("pk" if column == "id" else column, wanted.startswith("-"))


@dataclass(frozen=True, slots=True)
class _Cursor:
    value: Any
    pk: Any
    back: bool


def _beyond(walk: Order, cursor: _Cursor) -> Q:
    """Rows after the cursor in walking order. The first condition is implied; it lets the database use the index's range."""
    than = "lt" if walk.down else "gt"
    if walk.column == "pk":
        return Q(**{f"pk__{than}": cursor.pk})
    tie = Q(**{walk.column: cursor.value, f"pk__{than}": cursor.pk})
    return Q(**{f"{walk.column}__{than}e": cursor.value}) & (Q(**{f"{walk.column}__{than}": cursor.value}) | tie)


def _link(request: Request, order: Order, row: Model, *, back: bool) -> str:
    value = row.pk if order.column == "pk" else getattr(row, order.column)
    text = json.dumps([order.column, _plain(value), _plain(row.pk), int(back)], separators=(",", ":"))
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return replace_query_param(request.build_absolute_uri(), "cursor", cursor)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | Decimal) else value


def _decode(text: str, order: Order, model: type[Model]) -> _Cursor | None:
    """Raises InvalidInput for anything that `_link` did not make for this ordering."""
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        column, value, pk, back = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        if column != order.column or isinstance(value, dict | list) or back not in (0, 1):
            raise ValueError(column)
        key = model._meta.pk
        assert key is not None
        field = key if column == "pk" else model._meta.get_field(column)
        return _Cursor(field.to_python(value), key.to_python(pk), bool(back))  # type: ignore[union-attr]  # columns only
    except (ValueError, TypeError, ValidationError, binascii.Error, UnicodeError, RecursionError) as exc:
        raise InvalidInput.on("cursor", "use the address in next or previous as it is.", "malformed") from exc


class KeysetPagination(BasePagination):
    """REST framework's face of `paged`, for generic views."""

    page: Page[Any]

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """One page; `view.ordering` lists what callers may order by."""
        self.page = paged(request, queryset, getattr(view, "ordering", ("-created_at",)))
        return self.page.rows

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """For the OpenAPI document."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }
