"""Long answers (`Prefer: wait`, event streams) hold a thread of the server, so a process holds only so many at once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from rest_framework.request import Request

from mcp.operations.models import Operation
from mcp.operations.states import OperationState

LONGEST_S = 60
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)
UNDECIDED = (OperationState.QUEUED, OperationState.RUNNING)
_held = threading.BoundedSemaphore(int(settings.HELD_ANSWERS))


@contextmanager
def place() -> Iterator[bool]:
    """A place among the held answers of this process; false when all are taken."""
    taken = _held.acquire(blocking=False)
    try:
        yield taken
    finally:
        if taken:
            _held.release()


def asked_wait(request: Request) -> int | None:
    """Seconds of `Prefer: wait=N` (RFC 7240), at most LONGEST_S; None without."""
    found = WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found.group(1)), LONGEST_S) if found else None


def until_decided(operations: Sequence[UUID], seconds: float) -> bool:
    """Wait until none of them is queued or running any more; false when the time is up or no place is free.

    The database is asked every 20 ms at first and four times a second later.
    """
    deadline = time.monotonic() + seconds
    pause = 0.02
    with place() as free:
        while free:
            if not Operation.objects.filter(pk__in=operations, state__in=UNDECIDED).exists():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, 0.25)
    return False
