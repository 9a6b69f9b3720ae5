"""Web, worker and clock in one process, for one person on one machine (`./manage.py serve`, docs/operating.md).

gunicorn's master watches that process and starts another when it dies, at whatever moment: operations are in the
database, and the next worker resumes them once the lease of the dead one has run out.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

import structlog
from celery import beat
from celery.worker import WorkController, state
from django.conf import settings
from django.db import connection

from mcp.celery import app
from mcp.health.services.pulse import Presence
from mcp.operations.lease import leases
from mcp.operations.stopping import resume_claiming, stop_claiming

log = structlog.get_logger(__name__)

# How long work in hand may go on after a request to end; below gunicorn's graceful_timeout (deploy/gunicorn.conf.py).
STOP_LIMIT_S = 20.0


class EmbeddedWorker:
    """A Celery worker with a thread pool, and its clock, inside this process. `start` once, `stop` once."""

    def __init__(self, *, threads: int, queues: list[str]) -> None:
        self._queues = queues
        self._threads = threads
        self._asked_to_stop = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mcp-worker", daemon=True)
        self._beat: Any = beat.EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")
        self._presence: Presence | None = None

    def start(self) -> None:
        """Begin to work."""
        resume_claiming()
        state.should_stop = None
        self._presence = Presence(leases.owner, queues=self._queues, threads=self._threads, embedded=True)
        self._presence.start()
        self._thread.start()
        self._beat.start()

    def ask_to_stop(self) -> None:
        """Claim nothing new and finish or park what is in hand. Safe in a signal handler; returns at once."""
        self._asked_to_stop.set()
        stop_claiming()
        threading.Thread(target=self._nudge, daemon=True).start()
        setattr(state, "should_stop", 0)  # noqa: B010  (the stubs know None only)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> bool:
        """Ask to stop and wait; what is not done in time has its lease released. Answers whether all came to rest."""
        self.ask_to_stop()
        self._beat.service.stop(wait=False)
        at_rest = self._ended.wait(limit_s)
        if not at_rest:
            log.warning("worker_cut_short", operations_released=leases.abandon())
        if self._presence is not None:
            self._presence.stop()
        connection.close()
        return at_rest

    def _nudge(self) -> None:
        """A message ends the worker's wait for messages (two seconds at most), so that it sees at once that it is to stop.

        Two of them, because Celery's loop waits for messages once more before it goes.
        """
        for _ in range(2):
            app.send_task("mcp.operations.sweep", queue=self._queues[0], expires=5)

    def _run(self) -> None:
        """The worker's thread. A worker that ends unasked takes the process with it: gunicorn starts another."""
        try:
            WorkController(
                app=app,
                hostname=f"embedded@{os.getpid()}",
                pool_cls="threads",
                concurrency=self._threads,
                queues=self._queues,
                without_heartbeat=True,
                without_mingle=True,
                without_gossip=True,
                loglevel="WARNING",
            ).start()
        except SystemExit:
            log.info("worker_ended")
        except Exception:  # whatever it was, a process without its worker is of no use: log it and let it be replaced
            log.exception("worker_crashed")
        finally:
            self._ended.set()
            if not self._asked_to_stop.is_set():
                os.kill(os.getpid(), signal.SIGTERM)


_worker: EmbeddedWorker | None = None


def start_in_this_process() -> EmbeddedWorker:
    """For gunicorn's `post_worker_init`: start the worker and have SIGTERM reach it together with the web part."""
    global _worker  # noqa: PLW0603  (one worker a process, made by a hook that can hand nothing on to the next hook)
    _worker = EmbeddedWorker(threads=settings.WORKER_THREADS, queues=settings.WORKER_QUEUES)
    _chain(signal.SIGTERM, _worker.ask_to_stop)
    _worker.start()
    return _worker


def stop_in_this_process() -> None:
    """For gunicorn's `worker_exit`: end within the limit, whatever still goes on."""
    if _worker is not None and not _worker.stop():
        os._exit(0)  # a thread is still at work; waiting for it is what the limit forbids


def _chain(number: signal.Signals, first: Any) -> None:
    """Call `first` before whatever handles the signal now."""
    following = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        first()
        if callable(following):
            following(received, frame)

    signal.signal(number, handle)
