"""Threads that start together, each with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

T = TypeVar("T")
THREADS = 8
LIMIT_S = 60


def race(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """What each of them answered. Raises the first error of any, TimeoutError where one does not end."""
    start = threading.Barrier(threads)
    answers: list[T] = []
    troubles: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait(LIMIT_S)
            answers.append(work(number))
        except BaseException as error:  # handed to the test's own thread
            troubles.append(error)
        finally:
            connections.close_all()

    running = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(LIMIT_S)
    if troubles:
        raise troubles[0]
    if any(thread.is_alive() for thread in running):
        raise TimeoutError(f"not at rest after {LIMIT_S} s")
    return answers
