"""Rounds: the same question to many hosts at once, so that those that do not answer do not hold up the others for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import structlog
from django.db import DatabaseError

from mcp.operations.stopping import stopping
from pods.gear.errors import GearError
from pods.models import Host

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


class Round(Generic[Answer]):
    """One kind of question. A process has at most one round of each under way: a call that finds one asks nobody, so however
    many hosts are silent, a round never takes more than one of the threads that serve the clock.

    `ask` runs in threads and may not use the database; `settle` runs in the caller's thread, one answer after the other.
    """

    def __init__(
        self, ask: Callable[[Host], Answer], settle: Callable[[Host, Answer | GearError], object], *, at_once: int
    ) -> None:
        self._ask = ask
        self._settle = settle
        self._at_once = at_once
        self._turn = threading.Lock()

    def run(self, hosts: Iterable[Host]) -> int:
        """Ask them; `hosts` is read as threads become free. Repeatable. Answers how many were asked."""
        if not self._turn.acquire(blocking=False):
            return 0
        threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="mcp-round")
        try:
            return self._go_round(threads, iter(hosts))
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
            self._turn.release()

    def _go_round(self, threads: ThreadPoolExecutor, hosts: Iterator[Host]) -> int:
        asked = 0
        under_way: dict[Future[Answer], Host] = {}
        while True:
            while len(under_way) < self._at_once and not stopping() and (host := next(hosts, None)) is not None:
                under_way[threads.submit(self._ask, host)] = host
                asked += 1
            if not under_way:
                return asked
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                self._note(under_way.pop(future), future)

    def _note(self, host: Host, future: Future[Answer]) -> None:
        try:
            error = future.exception()
            self._settle(host, error if isinstance(error, GearError) else future.result())
        except DatabaseError:
            raise  # concerns all of them; the next beat asks again
        except Exception:  # a defect that one host brings out must not keep the others from being asked
            log.exception("host_not_settled", host=host.name)
