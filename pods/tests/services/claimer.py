"""A process that claims: `python -m pods.tests.services.claimer '{"count": 1, ...}'`. Its answer is one line of JSON.

With `deaths` it forks again and again: the n-th child kills itself (SIGKILL) right before its n-th statement to the database,
until one lives to the end. After each it says "died" or "lived" and waits for a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django


def die_before(number: int) -> Callable[..., Any]:
    """A wrapper of statements: nobody gets a chance to clean up."""
    seen = 0

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    return wrapper


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Claim again and again until there is no room, `most` times at most; or give guests back."""
    from django.db import connection, transaction

    from mcp.ids import new_id
    from pods.errors import CapacityExhausted, PlacementContended
    from pods.placement.request import PlacementRequest
    from pods.services.claim import claim, release
    from pods.tests.services.claims import NEED, OWNER

    if task.get("die_at"):
        connection.execute_wrappers.append(die_before(task["die_at"]))
    told: dict[str, Any] = {"claimed": [], "contended": 0, "full": 0}
    for holder in task.get("release", []):
        release(UUID(holder))
    for number in range(task.get("most", 0)):
        holders = [UUID(h) for h in task.get("holders", [])] or [new_id() for _ in range(task.get("count", 1))]
        group = f"{task['group']}-{number}" if task.get("group") else ""
        request = PlacementRequest(
            need=NEED, kind="zone", count=len(holders), spread=task.get("spread", "none"), spread_limit=task.get("limit", 1)
        )
        try:
            with transaction.atomic():
                rows = claim(request, holders=holders, account_id=OWNER, group=group).allocations
        except CapacityExhausted:
            told["full"] += 1
            if not group:
                break
        except PlacementContended:
            told["contended"] += 1
        else:
            told["claimed"] += [str(row.holder_id) for row in rows]
    return told


def deaths(task: dict[str, Any]) -> None:
    """A child for every statement; none has a connection before it is born."""
    for number in range(1, 100):
        child = os.fork()
        if child == 0:
            main({**task, "die_at": number})
            os._exit(0)
        _, status = os.waitpid(child, 0)
        lived = os.waitstatus_to_exitcode(status) == 0
        sys.stdout.write("lived\n" if lived else "died\n")
        sys.stdout.flush()
        if lived or not sys.stdin.readline():
            return


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")
    django.setup()
    asked = json.loads(sys.argv[1])
    if asked.pop("deaths", False):
        deaths(asked)
    else:
        sys.stdout.write(json.dumps(main(asked)) + "\n")
