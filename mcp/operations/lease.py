"""Heartbeats: one thread a process renews the leases of everything the process works on, with one UPDATE."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from mcp.operations.models import Operation
from mcp.operations.states import OperationState

log = structlog.get_logger(__name__)


class Leases:
    """The leases held by this process. `owner` names it: machine, process and a random part, so a reused pid never matches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[UUID] = set()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._owner = ""

    @property
    def owner(self) -> str:
        """This process's name in `lease_owner`."""
        if self._pid != os.getpid():  # a forked child is another owner and has no heartbeat thread yet
            with self._lock:
                self._pid = os.getpid()
                self._owner = f"{socket.gethostname()[:60]}:{self._pid}:{secrets.token_hex(4)}"
                self._held = set()
                self._thread = None
        return self._owner

    def hold(self, operation_id: UUID) -> None:
        """Renew this lease until `release`."""
        _ = self.owner
        with self._lock:
            self._held.add(operation_id)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat, name="mcp-heartbeat", daemon=True)
                self._thread.start()

    def release(self, operation_id: UUID) -> None:
        """Stop renewing."""
        with self._lock:
            self._held.discard(operation_id)

    def abandon(self) -> int:
        """Let every lease of this process run out now, so that others need not wait; for a process about to exit.

        Work still going on here is harmless: its fence is lower than the next worker's. Answers how many there were.
        """
        with self._lock:
            held, self._held = list(self._held), set()
        rows = Operation.objects.filter(pk__in=held, lease_owner=self._owner, state=OperationState.RUNNING)
        return rows.update(lease_until=timezone.now()) if held else 0

    def _beat(self) -> None:
        idle = 0
        while True:  # ends when the process has had nothing to do for a while
            self._wake.wait(settings.OPERATIONS["heartbeat_s"])
            with self._lock:
                held = list(self._held)
            idle = 0 if held else idle + 1
            if held:
                self._renew(held)
            elif idle >= 30:
                with self._lock:
                    if not self._held:
                        self._thread = None
                        break
                idle = 0
        connection.close()

    def _renew(self, held: list[UUID]) -> None:
        until = timezone.now() + timedelta(seconds=settings.OPERATIONS["lease_s"])
        try:
            Operation.objects.filter(pk__in=held, lease_owner=self._owner, state=OperationState.RUNNING).update(lease_until=until)
        except DatabaseError as exc:
            # The lease may run out; the fence keeps whoever takes over safe from us. Reconnect for the next beat.
            log.warning("heartbeat_failed", error=str(exc))
            connection.close()


leases = Leases()
