"""A process that claims as fast as it can: by the service, or by bare SQL of the same shape. It answers a line of JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

import django

NEED = (1_000, 1_024, 25)
BARE = """
SELECT id, pod_id, next_uid_slot FROM pods_host
WHERE id = ANY(%(ids)s) AND duty = 'active' AND reachable AND used_cpu_m + 1000 <= cap_cpu_m
  AND used_memory_mib + 1024 <= cap_memory_mib AND used_disk_gib + 25 <= cap_disk_gib
LIMIT 1 FOR UPDATE SKIP LOCKED
"""
TAKE = """
UPDATE pods_host SET used_cpu_m = used_cpu_m + 1000, used_memory_mib = used_memory_mib + 1024,
    used_disk_gib = used_disk_gib + 25, guests = guests + 1, next_uid_slot = next_uid_slot + 1 WHERE id = %s
"""
NOTE = """
INSERT INTO pods_allocation (id, holder_id, account_id, host_id, pod_id, cpu_m, memory_mib, disk_gib, uid_slot, kind,
    required_traits, forbidden_traits, "group", spread, group_limit, group_soft, preemptible, created_at)
VALUES (%s, %s, %s, %s, %s, 1000, 1024, 25, %s, 'zone', '[]', '[]', '', 'none', 1, false, false, now())
"""


def service() -> Callable[[], None]:
    """The project's own function, in a transaction of its own, each for another account."""
    from django.db import transaction

    from mcp.ids import new_id
    from pods.placement.request import Need, PlacementRequest
    from pods.services.claim import claim

    request = PlacementRequest(need=Need(*NEED), kind="zone", required=frozenset({"ssd"}), forbidden=frozenset({"old"}))

    def once() -> None:
        with transaction.atomic():
            claim(request, holders=[new_id()], account_id=new_id())

    return once


def bare() -> Callable[[], None]:
    """The same transaction by hand: pick among 32 hosts, promise, write the row."""
    from django.db import connection

    from mcp.ids import new_id

    connection.ensure_connection()
    raw: Any = connection.connection
    raw.autocommit = False
    with raw.cursor() as cursor:
        hosts = [row[0] for row in cursor.execute("SELECT id FROM pods_host").fetchall()]
    raw.commit()
    dice = Random(os.getpid())

    def once() -> None:
        with raw.cursor() as cursor:
            host, pod, slot = cursor.execute(BARE, {"ids": dice.sample(hosts, 32)}).fetchone()
            cursor.execute(TAKE, (host,))
            cursor.execute(NOTE, (new_id(), new_id(), new_id(), host, pod, slot))
        raw.commit()

    return once


def main(task: dict[str, Any]) -> dict[str, Any]:
    """All processes of a crowd begin at the same moment."""
    once = {"service": service, "bare": bare}[task["mode"]]()
    once()  # connections, plans and the fleet are there before the clock runs
    time.sleep(max(0.0, task["start"] - time.time()))
    deadline, claims, spent = time.monotonic() + task["seconds"], 0, time.process_time()
    while time.monotonic() < deadline:
        once()
        claims += 1
    return {"claims": claims, "cpu": time.process_time() - spent}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")
    django.setup()
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))) + "\n")
