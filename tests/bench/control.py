"""control.creates_per_s: creates a second from API to running on simulated hosts, and the CPU that each costs."""

from __future__ import annotations

import time
from pathlib import Path

from django.core.management import call_command

from accelerators.models import Accelerator
from accelerators.states import State
from accelerators.testing.world import World, make_world
from accounts.models import AccountLimit
from tests.bench.place import cpu_seconds, serving
from tests.bench.results import Result
from tests.stack import until

CREATES = 300
BATCH = 1
# Ganeti 3.0 with its fake hypervisor: 1.0 to 1.2 creates a second on two such cores.
GANETI = 1.1


def big_world(directory: Path, *, hosts: int = 8) -> World:
    """A simulated pod with room for a few thousand, shared by processes through a directory."""
    call_command("flush", interactive=False, verbosity=0)
    world = make_world(
        hosts=hosts,
        pod_name=str(directory / "simulated"),
        cidr="10.96.0.0/16",
        cpus=2_000,
        memory_mib=2_000_000,
        disk_gib=100_000,
    )
    for resource in ("accelerators", "memory_mib", "vcpus", "disk_gib"):
        AccountLimit.objects.create(account=world.account, resource=resource, limit=None)
    return world


def run(directory: Path) -> list[Result]:
    """One request a create, back to back, until all run."""
    world = big_world(directory)
    with serving(world.account, world.user, directory=directory) as api:
        body = {"plan": "zone-256m", "image": "busybox", "ssh_keys": []}
        api.client.post("/accelerators", json={**body, "name": "warm"}, headers={"Prefer": "wait=30"}).raise_for_status()
        cpu, began = cpu_seconds(api.pids), time.monotonic()
        for number in range(CREATES):
            api.client.post("/accelerators", json={**body, "name": f"n{number}"}).raise_for_status()
        until(lambda: Accelerator.objects.filter(state=State.RUNNING).count() == CREATES + 1, within_s=300, what="all running")
        took, spent = time.monotonic() - began, cpu_seconds(api.pids) - cpu
    rate, each = CREATES / took, 1000 * spent / CREATES
    return [
        Result("control.creates_per_s", round(rate, 1), "1/s", CREATES, round(rate, 1), round(rate, 1), goal=20, better="more",
               note=f"one web process, one worker; Ganeti's fake hypervisor: {GANETI}"),
        Result("control.cpu_per_create", round(each, 1), "ms", CREATES, round(each, 1), round(each, 1),
               note="CPU of web, worker and beat; database and broker not counted"),
    ]  # fmt: skip
