"""Paging by key: the cost of a page does not grow with how far down it lies."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.utils.functional import cached_property

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator  # generic for the type checker only


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Some rows, and the cursor of what follows them ("" at the end)."""

    rows: list[M]
    next: str
    first: bool


def newest_first(rows: QuerySet[M], cursor: str, size: int) -> Page[M]:
    """A page of rows that have `created_at` and `id`. A cursor that makes no sense is the beginning."""
    place = _decode(cursor)
    if place is not None:
        at, row_id = place
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=row_id))
    found: list[Any] = list(rows.order_by("-created_at", "-pk")[: size + 1])
    last = found[size - 1] if len(found) > size else None
    return Page(found[:size], _encode(last.created_at, last.pk) if last is not None else "", place is None)


def highest_first(rows: QuerySet[M], cursor: str, size: int) -> Page[M]:
    """A page of rows with a growing number as primary key."""
    below = int(cursor) if cursor.isdecimal() and len(cursor) < 19 else None
    if below is not None:
        rows = rows.filter(pk__lt=below)
    found = list(rows.order_by("-pk")[: size + 1])
    following = str(found[size - 1].pk) if len(found) > size else ""
    return Page(found[:size], following, below is None)


def _encode(at: datetime, row_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{row_id}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, UUID] | None:
    try:
        at, _, row_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        moment = datetime.fromisoformat(at)
        return (moment, UUID(row_id)) if moment.tzinfo is not None else None
    except (ValueError, binascii.Error):
        return None


class BoundedPaginator(AnyPaginator):
    """For the console: counts no further than `most` rows, so that a list of millions opens as fast as a short one."""

    most = 2_000

    @cached_property
    def count(self) -> int:
        """How many rows there are, or `most` when there are more."""
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: self.most].count()
        return len(rows)
