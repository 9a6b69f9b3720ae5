"""Ask hosts whether they live, and notice when they restarted or stopped answering."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mcp.events.services.emit import emit
from mcp.operations.services.retry import retry_lane
from pods.gear.errors import GearError, GearUnreachable
from pods.models import Host
from pods.services.gear import hypervisor_of

log = structlog.get_logger(__name__)


def heartbeat(host: Host) -> bool:
    """One round trip to one host, and what follows from it. Repeatable."""
    try:
        boot_id = hypervisor_of(host).heartbeat()
    except GearError as error:
        _missed(host, error)
        return False
    answered(host, boot_id)
    return True


@transaction.atomic
def answered(host: Host, boot_id: str) -> None:
    """Record that it lives; tell of a return or a restart, and wake what waits for it, in one transaction: whoever sees the

    new state can read why. `host` is as it was read before.
    """
    came_back, restarted = not host.reachable, bool(host.boot_id) and host.boot_id != boot_id
    Host.objects.filter(pk=host.pk).update(
        reachable=True, failed_heartbeats=0, last_seen_at=timezone.now(), last_error="", boot_id=boot_id
    )
    if restarted:
        _tell(host, "host.restarted", f"{host.name} has restarted.")
    if came_back:
        _tell(host, "host.online", f"{host.name} answers again.")
        woken = retry_lane(host.lane, GearUnreachable.code)
        log.info("host_came_back", host=host.name, operations_retried=woken)


@transaction.atomic
def _missed(host: Host, error: GearError) -> None:
    """Unreachable after several misses in a row, so that one lost packet does not empty a host of newcomers."""
    failed = host.failed_heartbeats + 1
    lost = host.reachable and failed >= settings.HOST_UNREACHABLE_AFTER
    Host.objects.filter(pk=host.pk).update(
        failed_heartbeats=min(failed, 10_000),
        last_error=f"{error.code}: {error.detail}"[:2000],
        reachable=host.reachable and not lost,
    )
    if lost:
        _tell(host, "host.unreachable", f"{host.name} does not answer: {error.detail}")
        log.warning("host_unreachable", host=host.name, code=error.code, detail=error.detail)


def _tell(host: Host, kind: str, message: str) -> None:
    emit(kind, message, target_type="host", target_id=host.pk, target_name=host.name)
