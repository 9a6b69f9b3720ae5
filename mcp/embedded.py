"""Web, worker and clock in one process, for one person on one machine (`./manage.py serve`, docs/operating.md).

gunicorn's master watches that process and starts another when it dies, at whatever moment: operations are in the
database, and the next worker resumes them once the lease of the dead one has run out.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

import structlog
from celery import Celery, beat
from celery.worker import WorkController, state
from django.conf import settings
from django.db import connection

from mcp.celery import app, make_app
from mcp.health.services.pulse import Presence
from mcp.operations.lease import leases
from mcp.operations.stopping import resume_claiming, stop_claiming

log = structlog.get_logger(__name__)

# How long work in hand may go on after a request to end; below gunicorn's graceful_timeout (deploy/gunicorn.conf.py).
STOP_LIMIT_S = 20.0


class Consumer:
    """A Celery worker with a thread pool of its own inside this process. `start` once."""

    def __init__(self, name: str, serving: Celery, *, threads: int, queues: list[str]) -> None:
        self.queues = queues
        self.ended = threading.Event()
        self.asked_to_stop = threading.Event()
        self._app = serving
        self._name = name
        self._threads = threads
        self._thread = threading.Thread(target=self._run, name=f"mcp-{name}", daemon=True)

    def load(self) -> None:
        """Import all tasks. Before any of them starts: what one imports just then, the other would believe not to exist."""
        self._app.loader.import_default_modules()
        self._app.finalize()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def nudge(self) -> None:
        """A message ends its wait for messages (two seconds at most), so that it sees at once that it is to stop.

        Two of them, because Celery's loop waits for messages once more before it goes.
        """
        for _ in range(2):
            app.send_task("mcp.operations.sweep", queue=self.queues[0], expires=5)

    def _run(self) -> None:
        """Its thread. One that ends unasked takes the process with it: gunicorn starts another."""
        try:
            WorkController(
                app=self._app,
                hostname=f"{self._name}@{os.getpid()}",
                pool_cls="threads",
                concurrency=self._threads,
                queues=self.queues,
                without_heartbeat=True,
                without_mingle=True,
                without_gossip=True,
                loglevel="WARNING",
            ).start()
        except SystemExit:
            log.info("worker_ended", name=self._name)
        except Exception:  # whatever it was, a process without its worker is of no use: log it and let it be replaced
            log.exception("worker_crashed", name=self._name)
        finally:
            self.ended.set()
            if not self.asked_to_stop.is_set():
                os.kill(os.getpid(), signal.SIGTERM)


class EmbeddedWorker:
    """Inside this process: a worker for operations, one for the watch (what the clock starts), and the clock.

    The two have threads of their own, so that operations that hang keep nobody from being asked whether he lives.
    `start` once, `stop` once.
    """

    def __init__(self, *, threads: int, queues: list[str], watch_threads: int) -> None:
        watch = Consumer("watch", make_app("mcp.watch", current=False), threads=watch_threads, queues=[settings.WATCH_QUEUE])
        self._consumers = (Consumer("worker", app, threads=threads, queues=queues), watch)
        self._detail = {"queues": [*queues, *watch.queues], "threads": threads, "embedded": True}
        self._beat: Any = beat.EmbeddedService(app, thread=True, scheduler_cls=settings.CELERY_BEAT_SCHEDULER)
        self._presence: Presence | None = None

    def start(self) -> None:
        """Begin to work."""
        resume_claiming()
        state.should_stop = None
        self._presence = Presence(leases.owner, **self._detail)
        self._presence.start()
        for consumer in self._consumers:
            consumer.load()
        for consumer in self._consumers:
            consumer.start()
        self._beat.start()

    def ask_to_stop(self) -> None:
        """Claim nothing new and finish or park what is in hand. Safe in a signal handler; returns at once."""
        for consumer in self._consumers:
            consumer.asked_to_stop.set()
        stop_claiming()
        threading.Thread(target=self._nudge, daemon=True).start()
        setattr(state, "should_stop", 0)  # noqa: B010  (the stubs know None only)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> bool:
        """Ask to stop and wait; what is not done in time has its lease released. Answers whether all came to rest."""
        self.ask_to_stop()
        self._beat.service.stop(wait=False)
        deadline = time.monotonic() + limit_s
        at_rest = all(consumer.ended.wait(max(0.0, deadline - time.monotonic())) for consumer in self._consumers)
        if not at_rest:
            log.warning("worker_cut_short", operations_released=leases.abandon())
        if self._presence is not None:
            self._presence.stop()
        connection.close()
        return at_rest

    def _nudge(self) -> None:
        for consumer in self._consumers:
            consumer.nudge()


_worker: EmbeddedWorker | None = None


def start_in_this_process() -> EmbeddedWorker:
    """For gunicorn's `post_worker_init`: start the worker and have SIGTERM reach it together with the web part."""
    global _worker  # noqa: PLW0603  (one worker a process, made by a hook that can hand nothing on to the next hook)
    _worker = EmbeddedWorker(threads=settings.WORKER_THREADS, queues=settings.WORKER_QUEUES, watch_threads=settings.WATCH_THREADS)
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
