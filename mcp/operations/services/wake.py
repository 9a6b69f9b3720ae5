"""Tell workers that an operation is due. Best effort by design: the sweeper wakes whatever was lost on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import kombu.exceptions
import structlog
from django.db import transaction

from mcp.celery import app
from mcp.operations.models import Operation

log = structlog.get_logger(__name__)

RUN_TASK = "mcp.operations.run"


def wake_after_commit(operations: Sequence[Operation]) -> None:
    """Publish the ids once the surrounding transaction is committed."""
    routes = [(str(operation.pk), operation.queue) for operation in operations]
    transaction.on_commit(partial(publish, routes))


def publish(routes: Iterable[tuple[str, str]], *, after_s: float = 0.0) -> int:
    """Send (operation id, queue) pairs to the broker; answers how many went out.

    A broker that does not answer costs latency only: the failure is logged once and the sweeper tries again.
    """
    sent: list[str] = []
    try:
        with app.producer_or_acquire() as producer:
            for operation_id, queue in routes:
                app.send_task(
                    RUN_TASK,
                    args=[operation_id],
                    queue=queue,
                    countdown=after_s or None,
                    producer=producer,
                    retry=False,
                )
                sent.append(operation_id)
    except (OSError, kombu.exceptions.KombuError) as exc:
        log.warning("broker_unreachable", error=str(exc), unsent=True)
    return len(sent)
