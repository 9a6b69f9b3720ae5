"""Ask hosts whether they live, and notice when they restarted or stopped answering."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mcp.events.services.emit import emit
from mcp.operations.services.retry import retry_lane
from pods.gear.errors import GearError, GearUnreachable
from pods.models import Host
from pods.services.gear import hypervisor_of
from pods.services.rounds import Round
from pods.states import HostDuty

log = structlog.get_logger(__name__)

# Threads that wait for hosts; none of them uses the database.
AT_ONCE = 32


def heartbeat(host: Host) -> bool:
    """One round trip to one host, and what follows from it. Repeatable."""
    try:
        boot_id = ask(host)
    except GearError as error:
        return settle(host, error)
    return settle(host, boot_id)


def ask(host: Host) -> str:
    """The boot id of a host, whose pod was read with it; no query. Raises gear errors."""
    return hypervisor_of(host).heartbeat()


def settle(host: Host, answer: str | GearError) -> bool:
    """What follows from an answer or the lack of one; answers whether the host lives."""
    if isinstance(answer, GearError):
        _missed(host, answer)
        return False
    answered(host, answer)
    return True


_well, _silent = Round(ask, settle, at_once=AT_ONCE), Round(ask, settle, at_once=AT_ONCE)
_MISSED = Q(reachable=False) | Q(failed_heartbeats__gt=0)


def heartbeat_well() -> int:
    """Ask every host in use that answered the last time. Answers how many were asked; none while a former call still asks."""
    return _well.run(_in_use().exclude(_MISSED))


def heartbeat_silent() -> int:
    """The same for hosts that did not answer the last time, apart from the others, for each may take some seconds.

    Those that are not yet given up come first.
    """
    return _silent.run(_in_use().filter(_MISSED).order_by("-reachable", "last_seen_at"))


def _in_use() -> QuerySet[Host]:
    return Host.objects.exclude(duty=HostDuty.RETIRED).select_related("pod")


@transaction.atomic
def answered(host: Host, boot_id: str) -> None:
    """Record that it lives; tell of a return or a restart, and wake what waits for it, in one transaction: whoever sees the

    new state can read why. What it was before is read under its lock: `host` may be older than another answer.
    """
    before = Host.objects.select_for_update().get(pk=host.pk)
    Host.objects.filter(pk=host.pk).update(
        reachable=True, failed_heartbeats=0, last_seen_at=timezone.now(), last_error="", boot_id=boot_id
    )
    if before.boot_id and before.boot_id != boot_id:
        _tell(before, "host.restarted", f"{before.name} has restarted.")
    if not before.reachable:
        _tell(before, "host.online", f"{before.name} answers again.")
        woken = retry_lane(before.lane, GearUnreachable.code)
        log.info("host_came_back", host=before.name, operations_retried=woken)


@transaction.atomic
def _missed(host: Host, error: GearError) -> None:
    """Unreachable after several misses in a row, so that one lost packet does not empty a host of newcomers.

    They are counted under the host's lock, not from `host`, which was read before the question.
    """
    before = Host.objects.select_for_update().get(pk=host.pk)
    failed = before.failed_heartbeats + 1
    lost = before.reachable and failed >= settings.HOST_UNREACHABLE_AFTER
    Host.objects.filter(pk=host.pk).update(
        failed_heartbeats=min(failed, 10_000),
        last_error=f"{error.code}: {error.detail}"[:2000],
        reachable=before.reachable and not lost,
    )
    if lost:
        _tell(before, "host.unreachable", f"{before.name} does not answer: {error.detail}")
        log.warning("host_unreachable", host=before.name, code=error.code, detail=error.detail)


def _tell(host: Host, kind: str, message: str) -> None:
    emit(kind, message, target_type="host", target_id=host.pk, target_name=host.name)
