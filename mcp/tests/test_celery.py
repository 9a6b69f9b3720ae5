"""Workers keep their database connections from task to task, as long as these are young and well."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from celery import signals
from celery.fixups.django import DjangoWorkerFixup  # type: ignore[attr-defined]  # the stubs lack it
from django.db import InterfaceError, OperationalError, connection

from mcp.celery import app
from mcp.operations.tasks import sweep

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def worker() -> Iterator[None]:
    """What Celery does around tasks in a worker."""
    fixup = DjangoWorkerFixup(app)
    signals.task_prerun.connect(fixup.on_task_prerun)
    signals.task_postrun.connect(fixup.on_task_postrun)
    yield
    signals.task_prerun.disconnect(fixup.on_task_prerun)
    signals.task_postrun.disconnect(fixup.on_task_postrun)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def task() -> int:
    """A task as workers run them; answers the number of the database process that served it."""
    signals.task_prerun.send(sender=sweep)
    served = backend()
    signals.task_postrun.send(sender=sweep)
    return served


def test_tasks_share_a_connection() -> None:
    assert len({task() for _ in range(5)}) == 1


def test_an_old_connection_is_not_used_again() -> None:
    first = task()
    connection.close_at = time.monotonic() - 1
    assert task() != first


def test_a_connection_that_died_meanwhile_costs_no_task() -> None:
    first = task()
    with connection.cursor() as cursor, pytest.raises((OperationalError, InterfaceError)):
        cursor.execute("SELECT pg_terminate_backend(%s)", [first])
    assert task() != first
