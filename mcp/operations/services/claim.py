"""Claim an operation for this worker: a lease, a higher fence, a place in every lane. Decided in the database alone.

A message is a hint, not an order: when another account with fewer running operations waits in the same queue, its oldest
operation is taken first, so a burst of one customer never starves another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, UUIDField, Value, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from mcp.health.services.pulse import bump
from mcp.operations.models import Lane, Operation, Ticket
from mcp.operations.states import OperationState

# How many accounts' oldest operations are looked at before a worker gives up for now.
CANDIDATES = 16
# Stands for "no account" where accounts are compared.
NOBODY = UUID(int=0)


def due(now: datetime) -> Q:
    """Waiting and allowed to start, or abandoned by a worker whose lease ran out."""
    return Q(state=OperationState.QUEUED, not_before__lte=now) | Q(state=OperationState.RUNNING, lease_until__lt=now)


def claim(operation_id: UUID, *, owner: str) -> Operation | None:
    """Take this operation, or a fairer one of its queue, or None when nothing in that queue can start now."""
    taken = _claim_exactly(operation_id, owner, uncontested=True)
    if taken is not None:
        return taken
    queue = Operation.objects.filter(pk=operation_id).order_by().values_list("queue", flat=True).first()
    return None if queue is None else claim_next(queue, owner=owner)


def claim_next(queue: str, *, owner: str) -> Operation | None:
    """Take the fairest due operation of a queue, or None."""
    for operation_id in _fair_order(queue, timezone.now()):
        taken = claim_exactly(operation_id, owner=owner)
        if taken is not None:
            return taken
    return None


def _fair_order(queue: str, now: datetime) -> list[UUID]:
    """Each account's oldest few, the account with the fewest running first."""
    waiting: QuerySet[Operation] = Operation.objects.filter(due(now), queue=queue)
    first = list(waiting.order_by("not_before", "id").values_list("id", "account_id")[: CANDIDATES + 1])
    accounts = {account for _, account in first}
    if len(first) > CANDIDATES and (len(accounts) > 1 or _others_wait(waiting, first[0][1])):
        rows = _turns(waiting)  # somebody may wait behind a burst
    elif len(accounts) > 1:
        rows = _count_turns(first)
    else:
        return [row[0] for row in first[:CANDIDATES]]
    running = Counter(
        dict(
            Operation.objects.filter(state=OperationState.RUNNING, lease_until__gte=now)
            .order_by()
            .values_list("account_id")
            .annotate(n=Count("id"))
        )
    )
    rows.sort(key=lambda row: (running[row[1]] + row[2], row[2]))
    return [row[0] for row in rows[:CANDIDATES]]


def _others_wait(waiting: QuerySet[Operation], account_id: UUID | None) -> bool:
    return waiting.exclude(account_id=account_id).exists()


def _turns(waiting: QuerySet[Operation]) -> list[tuple[UUID, UUID | None, int]]:
    """Operation, account and place in that account's row, of each account's oldest few; by sorting all that wait."""
    turn = Window(RowNumber(), partition_by=[F("account_id")], order_by=[F("not_before").asc(), F("id").asc()])
    return list(waiting.annotate(turn=turn).filter(turn__lte=CANDIDATES).values_list("id", "account_id", "turn"))


def _count_turns(oldest_first: Sequence[tuple[UUID, UUID | None]]) -> list[tuple[UUID, UUID | None, int]]:
    """The same, of rows that are all that wait."""
    turns: Counter[UUID | None] = Counter()
    rows = []
    for operation_id, account_id in oldest_first:
        turns[account_id] += 1
        rows.append((operation_id, account_id, turns[account_id]))
    return rows


def claim_exactly(operation_id: UUID, *, owner: str) -> Operation | None:
    """Take this operation if it is due and every lane has room. One short transaction; a taken row is never waited for."""
    return _claim_exactly(operation_id, owner, uncontested=False)


def _claim_exactly(operation_id: UUID, owner: str, *, uncontested: bool) -> Operation | None:
    """With `uncontested`, only if no other account waits in the operation's queue."""
    now = timezone.now()
    rows = Operation.objects.filter(due(now), pk=operation_id)
    if uncontested:
        rows = rows.exclude(_others_of_its_queue(now))
    # What the next fence must exceed. Another exclusive operation of this target has ended before this row could be
    # written, so its fence is seen; this row's own may have grown while it was being locked.
    highest = Operation.objects.filter(target_id=OuterRef("target_id")).order_by("-fence").values("fence")[:1]
    with transaction.atomic():
        operation = (
            rows.annotate(highest=Subquery(highest))
            .select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            .order_by()
            .first()
        )
        if operation is None or not _take_places(operation, now):
            return None
        return _lease(operation, max(operation.highest, operation.fence) + 1, owner, now)


def _others_of_its_queue(now: datetime) -> Exists:
    """Whether another account's operation is due in the queue of the row in question; no account is an account, too."""
    waiting = Operation.objects.filter(state=OperationState.QUEUED, not_before__lte=now, queue=OuterRef("queue"))
    nobody = Value(NOBODY, output_field=UUIDField())
    others = waiting.annotate(whose=Coalesce("account_id", nobody)).exclude(whose=Coalesce(OuterRef("account_id"), nobody))
    return Exists(others)


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


def _lease(operation: Operation, fence: int, owner: str, now: datetime) -> Operation:
    """Write owner, expiry and the next fence of this *target*, so that a host can order commands of different operations.

    The row is locked: what was read with it holds.
    """
    if operation.state == OperationState.RUNNING:
        bump("lease_takeovers")
    changes: dict[str, Any] = {
        "state": OperationState.RUNNING,
        "fence": fence,
        "lease_owner": owner,
        "lease_until": now + timedelta(seconds=settings.OPERATIONS["lease_s"]),
        "attempt": operation.attempt + 1,
        "started_at": operation.started_at or now,
        "message": "",
    }
    Operation.objects.filter(pk=operation.pk).update(**changes)
    for name, value in changes.items():
        setattr(operation, name, value)
    return operation
