"""Celery tasks. Arguments are ids; results are ignored; delivering one twice, late or never changes only latency."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from mcp.health.services.pulse import SWEEP, beat
from mcp.operations.engine import run as run_claimed
from mcp.operations.lease import leases
from mcp.operations.models import Operation
from mcp.operations.services.claim import claim, claim_next
from mcp.operations.services.sweep import sweep as sweep_due
from mcp.operations.services.wake import publish
from mcp.operations.stopping import stopping

# After its own operation a worker goes on with what waits, but gives the broker its turn now and then.
IN_ONE_GO = 32


@shared_task(name="mcp.operations.run")
def run(operation_id: str) -> None:
    """Claim the operation (or a fairer one), carry it out, and go on with what waits in the same queue."""
    if stopping():
        return  # the sweeper of whoever comes after us wakes it
    operation = claim(UUID(operation_id), owner=leases.owner)
    for _ in range(IN_ONE_GO):
        if operation is None:
            return
        _carry_out(operation)
        if stopping():
            return
        operation = claim_next(operation.queue, owner=leases.owner)
    if operation is not None:
        _carry_out(operation)
        publish([(str(operation.pk), operation.queue)])


def _carry_out(operation: Operation) -> None:
    pause = run_claimed(operation)
    if pause is not None:
        publish([(str(operation.pk), operation.queue)], after_s=pause)


@shared_task(name="mcp.operations.sweep")
def sweep() -> None:
    """Wake what is due, and leave a sign that clock, broker and worker work together."""
    sweep_due()
    beat(SWEEP)
