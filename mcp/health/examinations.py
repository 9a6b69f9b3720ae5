"""The kernel's examinations: settings, database, broker, workers, operations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings as conf
from django.core.checks import run_checks
from django.db.models import QuerySet
from django.utils import timezone

from mcp.health.doctor import Finding, Level, examines
from mcp.health.readiness import broker, database, migrations
from mcp.health.services.pulse import FRESH_S, fresh_workers, last_sweep
from mcp.operations.models import Operation
from mcp.operations.states import OperationState

STUCK_AFTER = timedelta(minutes=1)
SHOWN = 5


@examines("settings")
def settings() -> Iterator[Finding]:
    """What `manage.py check` says, unsafe defaults in production included."""
    for message in run_checks():
        if message.is_serious():
            yield Finding(Level.FAIL, "settings", message.msg, message.hint or "")


@examines("database")
def tables() -> Iterator[Finding]:
    """Whether the database answers and has this code's tables."""
    if not (answer := database()).ok:
        yield Finding(Level.FAIL, "database", answer.detail, "Start it, or correct MCP_DATABASE_URL.")
    elif not (answer := migrations()).ok:
        yield Finding(Level.FAIL, "database", answer.detail, "Run ./manage.py migrate.")


@examines("broker")
def broker_answers() -> Iterator[Finding]:
    """Whether the broker takes a connection."""
    if not (answer := broker()).ok:
        yield Finding(
            Level.FAIL, "broker", answer.detail,
            "Start it, or correct MCP_BROKER_URL. Nothing is lost: what waits starts when it is back.",
        )  # fmt: skip


@examines("worker")
def worker_lives() -> Iterator[Finding]:
    """Whether some worker left a sign of life, and whether the clock's sweeps get through."""
    if not fresh_workers():
        yield Finding(
            Level.FAIL, "worker", f"No worker was seen in the last {FRESH_S:g} s.",
            "Start one: `./manage.py serve` (embedded), or `celery -A mcp worker -P threads -Q mcp` (docs/operating.md).",
        )  # fmt: skip
    swept = last_sweep()
    if swept is None or timezone.now() - swept > timedelta(seconds=FRESH_S):
        yield Finding(
            Level.FAIL, "worker", f"The sweeper has not run in the last {FRESH_S:g} s.",
            f"Start the clock (`celery -A mcp beat`), and a worker for the queue {conf.WATCH_QUEUE}.",
        )  # fmt: skip


@examines("operations")
def operations() -> Iterator[Finding]:
    """Operations that wait for a person, whose worker is gone, or that nobody takes."""
    now = timezone.now()
    running, queued = OperationState.RUNNING, OperationState.QUEUED
    yield from _some(
        Operation.objects.filter(state=OperationState.NEEDS_ATTENTION), Level.WARN, "need attention",
        "Read `./manage.py operation show ID`, mend the cause, then `./manage.py operation retry ID`.",
    )  # fmt: skip
    yield from _some(
        Operation.objects.filter(state=running, lease_until__lt=now - STUCK_AFTER), Level.FAIL, "are stuck past their lease",
        "No worker takes over: see the finding on the worker; it must serve the operation's queue.",
    )  # fmt: skip
    yield from _some(
        Operation.objects.filter(state=queued, not_before__lt=now - STUCK_AFTER, message=""), Level.FAIL,
        "have been due for over a minute and nobody takes them",
        "Start a worker for their queues: celery -A mcp worker -P threads -Q QUEUE.",
    )  # fmt: skip


def _some(rows: QuerySet[Operation], level: Level, what: str, remedy: str) -> Iterator[Finding]:
    found = list(rows.order_by("created_at").values_list("id", "kind", "target_name", "queue")[: SHOWN + 1])
    if found:
        listed = ", ".join(f"{kind} {name} ({id_}, queue {queue})" for id_, kind, name, queue in found[:SHOWN])
        more = " and more" if len(found) > SHOWN else ""
        yield Finding(level, "operations", f"Operations {what}: {listed}{more}.", remedy)
