"""Leave and read signs of life."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from mcp.health.models import Pulse, Tally

log = structlog.get_logger(__name__)

SWEEP = "sweep"
WORKER = "worker:"
EVERY_S = 5.0
# A worker or sweeper not seen for this long counts as dead.
FRESH_S = 30.0
FORGET_AFTER = timedelta(days=1)


def beat(name: str, **detail: Any) -> None:
    """Say "I live". Repeatable."""
    Pulse.objects.update_or_create(name=name, defaults={"at": timezone.now(), "detail": detail})


def bump(name: str) -> None:
    """Count one more of something rare."""
    if not Tally.objects.filter(name=name).update(count=F("count") + 1):
        Tally.objects.get_or_create(name=name)
        Tally.objects.filter(name=name).update(count=F("count") + 1)


def fresh_workers(now: datetime | None = None) -> list[Pulse]:
    """The workers for operations seen lately. Those for the watch alone do not count: the sweeper's sign stands for them."""
    since = (now or timezone.now()) - timedelta(seconds=FRESH_S)
    seen = Pulse.objects.filter(name__startswith=WORKER, at__gte=since)
    return [pulse for pulse in seen if pulse.detail.get("queues") != [settings.WATCH_QUEUE]]


def last_sweep() -> datetime | None:
    """When the sweeper last ran anywhere."""
    return Pulse.objects.filter(name=SWEEP).values_list("at", flat=True).first()


class Presence:
    """A worker process's own sign of life: a thread that writes one row every few seconds until `stop`."""

    def __init__(self, owner: str, **detail: Any) -> None:
        self._name = f"{WORKER}{owner}"[:160]
        self._detail = detail
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mcp-presence", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Remove the row: this worker left in good order."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            self._write(lambda: beat(self._name, **self._detail))
            if self._stop.wait(EVERY_S):
                break
        self._write(lambda: Pulse.objects.filter(name=self._name).delete())
        connection.close()

    def _write(self, effect: Any) -> None:
        try:
            effect()
        except DatabaseError as exc:
            log.warning("presence_not_written", error=str(exc))
            connection.close()


def forget_the_dead() -> int:
    """Remove signs of life that are a day old; repeatable."""
    return Pulse.objects.filter(at__lt=timezone.now() - FORGET_AFTER).delete()[0]
