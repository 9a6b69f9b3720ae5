"""Periodic work on accelerators and their hosts, started by the clock."""

from __future__ import annotations

from celery import shared_task

from accelerators.services.delete import empty_trash as empty
from accelerators.services.lent_room import bring_back, call_back, forget_notices
from accelerators.services.reconcile import reconcile_all
from pods.services.heartbeat import heartbeat_silent, heartbeat_well


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
    """Ask the hosts that answered the last time."""
    heartbeat_well()


@shared_task(name="pods.heartbeat_silent_hosts")
def heartbeat_silent_hosts() -> None:
    """Ask the hosts that did not."""
    heartbeat_silent()


@shared_task(name="pods.reconcile_hosts")
def reconcile_hosts() -> None:
    """Keep every host that answers true."""
    reconcile_all()
