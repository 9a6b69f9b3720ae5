"""Follow the event log without ever missing a line, whatever order concurrent transactions commit in."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from mcp.events.models import Event


def events_after(after: int, *, account_id: UUID, most: int) -> list[Event]:
    """The account's next events after the event `after` (0: from the beginning), oldest first.

    On PostgreSQL the order is that of the writing transactions' numbers, and only transactions older than every one still
    at work are shown: nothing can appear before what was handed out. An event shows up once the transactions that began
    before its own have ended (all are bounded by `idle_in_transaction_session_timeout`). After restoring a dump into another
    cluster, where numbers start anew, `tx` of the old events must be set to 0.
    """
    rows = Event.objects.filter(account_id=account_id)
    if connection.vendor == "postgresql":
        rows = rows.extra(where=["tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"])
    return list(rows.filter(_beyond(after)).order_by("tx", "id")[:most])


def _beyond(after: int) -> Q:
    """After that event in the order of reading. An id that is not there (any more) stands for the nearest one before it."""
    known: QuerySet[Event] = Event.objects.filter(pk__lte=after).order_by("-pk")
    tx = known.values_list("tx", flat=True).first() if after > 0 else None
    if tx is None:
        return Q()
    return Q(tx__gte=tx) & (Q(tx__gt=tx) | Q(pk__gt=after))


def newest_event(*, account_id: UUID) -> int:
    """The id to follow from for whoever wants only what is new; 0 when there is nothing yet."""
    rows = Event.objects.filter(account_id=account_id)
    if connection.vendor == "postgresql":
        rows = rows.extra(where=["tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"])
    return rows.order_by("-tx", "-id").values_list("pk", flat=True).first() or 0
