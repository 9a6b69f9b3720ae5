"""whatif.lose_pod: one of 40 pods lost (250 hosts, 2,500 guests) on 10,000 hosts, database read and all."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from django.core.management import call_command

from accelerators.services.whatif import ask_what_if
from accelerators.testing.make import make_plan
from accounts.actor import Actor, system
from mcp.ids import new_id
from pods.models import Allocation, Host, Image, ImageCopy, Pod
from pods.services.whatif_question import Question
from tests.bench.results import Result, of_times

HOSTS, PODS, GUESTS = 10_000, 40, 100_000
# Thousandths of a processor, MiB, GiB: sizes of plans, the small ones sold most.
SIZES = ((250, 512, 10), (250, 512, 10), (500, 1024, 20), (500, 1024, 20), (1000, 2048, 40), (2000, 4096, 80))
TIMES = 9


def fill(hosts: int = HOSTS, pods: int = PODS, guests: int = GUESTS) -> None:
    """A plausible fleet straight into the tables: hosts of two sizes, a third of the guests in groups, images on each host."""
    random = Random(7)
    call_command("flush", interactive=False, verbosity=0)
    for cpu_m, memory_mib, disk_gib in set(SIZES):
        make_plan(f"zone-{memory_mib}m", vcpus=Decimal(cpu_m) / 1000, memory_mib=memory_mib, disk_gib=disk_gib)
    rows = Pod.objects.bulk_create(Pod(slug=f"pod{n}", location=f"place {n % 8}") for n in range(pods))
    fleet = [_host(random, rows[n % pods], n) for n in range(hosts)]
    accounts = [new_id() for _ in range(max(1, guests // 50))]
    allocations = [_allocation(random, fleet[n % hosts], n // hosts, random.choice(accounts)) for n in range(guests)]
    Host.objects.bulk_create(fleet, batch_size=2000)
    Allocation.objects.bulk_create(allocations, batch_size=2000)
    images = Image.objects.bulk_create(
        Image(slug=f"image-{n}", version="1", os="any", sha256=f"{n}" * 64, size_bytes=1, file=f"{n}.tar.zst") for n in range(2)
    )
    ImageCopy.objects.bulk_create((ImageCopy(image=image, host=host) for image in images for host in fleet), batch_size=2000)


def _host(random: Random, pod: Pod, number: int) -> Host:
    big = random.randint(1, 2)
    return Host(
        pod=pod, name=f"h{number}", driver="simulated", address=f"h{number}", kinds=["zone"],
        traits=["ssd"] if random.random() < 0.3 else [],
        cap_cpu_m=32_000 * big, cap_memory_mib=32_768 * big, cap_disk_gib=800 * big,
    )  # fmt: skip


def _allocation(random: Random, host: Host, slot: int, account: Any) -> Allocation:
    """One guest, counted on its host; with a group, it has a place of its own there."""
    cpu_m, memory_mib, disk_gib = random.choice(SIZES)
    host.used_cpu_m += cpu_m
    host.used_memory_mib += memory_mib
    host.used_disk_gib += disk_gib
    host.guests += 1
    grouped = random.random() < 0.3
    return Allocation(
        holder_id=new_id(), account_id=account, host=host, pod_id=host.pod_id, cpu_m=cpu_m, memory_mib=memory_mib,
        disk_gib=disk_gib, uid_slot=slot, group=f"{account}:g{slot}" if grouped else "", spread="host" if grouped else "none",
        group_slot=slot if grouped else None, group_limit=100,
    )  # fmt: skip


def run(directory: Path) -> list[Result]:
    """Each question as the command asks it; the fleet is read anew every time."""
    fill()
    operator = system("bench")
    return [
        _timed("whatif.lose_pod", lambda: _ask(operator, Question(lose_pod=["pod3"])), 1.0, "250 hosts, 2,500 guests"),
        _timed("whatif.drain_host", lambda: _ask(operator, Question(drain=["h3"])), None, "with the pod's N+1"),
        _timed("whatif.headroom", lambda: _ask(operator, Question(headroom=["pod3"])), None, "N+1 of a pod of 250 hosts"),
        _timed("whatif.more", lambda: _ask(operator, Question(add_hosts=40, like="h3")), None, "40 hosts more"),
    ]


def _ask(actor: Actor, question: Question) -> None:
    found = ask_what_if(actor=actor, question=question)
    assert found["lost"]["guests"] == (GUESTS // PODS if question.lose_pod else 0), found["sentence"]


def _timed(name: str, ask: Callable[[], None], goal_s: float | None, note: str) -> Result:
    ask()
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return of_times(name, seconds, goal=None if goal_s is None else goal_s * 1000, note=note)
