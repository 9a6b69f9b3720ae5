"""Periodic work on accelerators and their hosts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import structlog
from celery import shared_task
from django.db import connection

from accelerators.services.delete import empty_trash as empty
from accelerators.services.lent_room import bring_back, call_back, forget_notices
from accelerators.services.reconcile import reconcile_host
from mcp.celery import app
from pods.gear.errors import GearError
from pods.models import Host
from pods.services.heartbeat import heartbeat
from pods.states import HostDuty

log = structlog.get_logger(__name__)
AT_ONCE = 8

# Hosts that this process is asking now: one that hangs is not asked again meanwhile, or it would take every thread.
_asking: set[UUID] = set()
_asking_lock = threading.Lock()


@contextmanager
def only_once(host_id: UUID) -> Iterator[bool]:
    """Whether this thread is the only one of the process to ask the host."""
    with _asking_lock:
        first = host_id not in _asking
        _asking.add(host_id)
    try:
        yield first
    finally:
        if first:
            with _asking_lock:
                _asking.discard(host_id)


@shared_task(name="accelerators.empty_trash")
def empty_trash() -> None:
    """Delete for good what has lain in the trash long enough."""
    empty()


@shared_task(name="accelerators.look_after_lent_room")
def look_after_lent_room() -> None:
    """Have preemptible accelerators leave in time, and come back when there is room."""
    call_back()
    forget_notices()
    bring_back()


@shared_task(name="pods.heartbeat_hosts")
def heartbeat_hosts() -> None:
    """Ask every host that is not retired, several at once."""
    hosts = list(Host.objects.exclude(duty=HostDuty.RETIRED).exclude(pk__in=list(_asking)).select_related("pod"))
    if hosts:
        with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as threads:
            list(threads.map(_heartbeat, hosts))


def _heartbeat(host: Host) -> None:
    with only_once(host.pk) as first:
        try:
            if first:
                heartbeat(host)
        finally:
            connection.close()


@shared_task(name="pods.reconcile_hosts")
def reconcile_hosts() -> None:
    """One task a reachable host, so that workers share the fleet."""
    for host_id in Host.objects.exclude(duty=HostDuty.RETIRED).filter(reachable=True).values_list("pk", flat=True):
        app.send_task("pods.reconcile_host", args=[str(host_id)], expires=60)


@shared_task(name="pods.reconcile_host")
def reconcile_one(host_id: str) -> None:
    """Keep one host true."""
    host = Host.objects.select_related("pod").filter(pk=UUID(host_id)).first()
    if host is None:
        return
    try:
        reconcile_host(host)
    except GearError as error:
        log.info("reconcile_skipped", host=host.name, code=error.code, detail=error.detail)
