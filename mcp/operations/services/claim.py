"""Claim an operation for this worker: a lease, a higher fence, a place in every lane. Decided in the database alone.

A message is a hint, not an order: when another account with fewer running operations waits in the same queue, its oldest
operation is taken first, so a burst of one customer never starves another.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from mcp.health.services.pulse import bump
from mcp.operations.models import Lane, Operation, Ticket
from mcp.operations.states import OperationState

# How many accounts' oldest operations are looked at before a worker gives up for now.
CANDIDATES = 16


def due(now: datetime) -> Q:
    """Waiting and allowed to start, or abandoned by a worker whose lease ran out."""
    return Q(state=OperationState.QUEUED, not_before__lte=now) | Q(state=OperationState.RUNNING, lease_until__lt=now)


def claim(operation_id: UUID, *, owner: str) -> Operation | None:
    """Take this operation, or a fairer one of its queue, or None when nothing in that queue can start now."""
    now = timezone.now()
    hint = Operation.objects.filter(pk=operation_id).values("queue", "account_id").first()
    if hint is None:
        return None
    others = Operation.objects.filter(state=OperationState.QUEUED, not_before__lte=now, queue=hint["queue"])
    if not others.exclude(account_id=hint["account_id"]).exists():
        taken = claim_exactly(operation_id, owner=owner)
        if taken is not None:
            return taken
    return claim_next(hint["queue"], owner=owner)


def claim_next(queue: str, *, owner: str) -> Operation | None:
    """Take the fairest due operation of a queue, or None."""
    for operation_id in _fair_order(queue, timezone.now()):
        taken = claim_exactly(operation_id, owner=owner)
        if taken is not None:
            return taken
    return None


def _fair_order(queue: str, now: datetime) -> list[UUID]:
    """Each account's oldest few, the account with the fewest running first."""
    waiting: QuerySet[Operation] = Operation.objects.filter(queue=queue).filter(due(now))
    rows = (
        waiting.annotate(
            turn=Window(RowNumber(), partition_by=[F("account_id")], order_by=[F("not_before").asc(), F("id").asc()])
        )
        .filter(turn__lte=CANDIDATES)
        .values_list("id", "account_id", "turn")
    )
    found = list(rows)
    if not found:
        return []
    running = Counter(
        dict(
            Operation.objects.filter(state=OperationState.RUNNING, lease_until__gte=now)
            .values_list("account_id")
            .annotate(n=Count("id"))
        )
    )
    found.sort(key=lambda row: (running[row[1]] + row[2], row[2]))
    return [row[0] for row in found[:CANDIDATES]]


def claim_exactly(operation_id: UUID, *, owner: str) -> Operation | None:
    """Take this operation if it is due and every lane has room. One short transaction; a taken row is never waited for."""
    now = timezone.now()
    with transaction.atomic():
        operation = (
            Operation.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            .filter(due(now), pk=operation_id)
            .first()
        )
        if operation is None or not _take_places(operation, now):
            return None
        return _lease(operation, owner, now)


def _take_places(operation: Operation, now: datetime) -> bool:
    """A ticket in every lane, or none. A take-over keeps the tickets it finds."""
    if operation.state == OperationState.RUNNING or not operation.lanes:
        return True
    names = sorted(operation.lanes)
    lanes = list(Lane.objects.select_for_update().filter(name__in=names).order_by("name"))
    if len(lanes) < len(names):
        Lane.objects.bulk_create([Lane(name=name) for name in names], ignore_conflicts=True)
        lanes = list(Lane.objects.select_for_update().filter(name__in=names).order_by("name"))
    taken = dict(Ticket.objects.filter(lane__in=names).values_list("lane_id").annotate(n=Count("id")))
    full = [lane.name for lane in lanes if taken.get(lane.name, 0) >= lane.allowed]
    if full:
        _say_it_waits(operation, full[0], now)
        return False
    Ticket.objects.bulk_create([Ticket(operation=operation, lane=lane) for lane in lanes])
    return True


def _say_it_waits(operation: Operation, lane: str, now: datetime) -> None:
    """Tell the customer why nothing happens yet; scopes only, never which host."""
    message = f"Waiting for its turn: the {lane.partition(':')[0]} is busy."
    if operation.message != message:
        Operation.objects.filter(pk=operation.pk).update(message=message)


def _lease(operation: Operation, owner: str, now: datetime) -> Operation:
    """Write owner, expiry and the next fence of this *target*, so that a host can order commands of different operations."""
    if operation.state == OperationState.RUNNING:
        bump("lease_takeovers")
    highest = Operation.objects.filter(target_id=OuterRef("target_id")).values("target_id")
    Operation.objects.filter(pk=operation.pk).update(
        state=OperationState.RUNNING,
        fence=Coalesce(Subquery(highest.annotate(top=Max("fence")).values("top")), 0) + 1,
        lease_owner=owner,
        lease_until=now + timedelta(seconds=settings.OPERATIONS["lease_s"]),
        attempt=F("attempt") + 1,
        started_at=Coalesce(F("started_at"), now),
        message="",
    )
    operation.refresh_from_db()
    return operation
