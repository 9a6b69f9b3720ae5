"""placement.*: the planner alone at three sizes, and the claim through the project's own service beside bare SQL of its shape."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from django.core.management import call_command
from django.db import connection

from mcp.ids import new_id
from pods.models import Allocation, Host, Pod
from pods.placement.planner import plan
from pods.placement.request import Need, PlacementRequest
from pods.services.fleet import load_fleet
from tests.bench.results import Result
from tests.stack import ROOT, database_url

SIZES = (100, 1_000, 10_000)
GUESTS_A_HOST = 10
PODS = 40
PLANS = 300
SECONDS = 6.0
TURNS = 3
WANTED = PlacementRequest(
    need=Need(1_000, 1_024, 25),
    kind="zone",
    required=frozenset({"ssd"}),
    forbidden=frozenset({"old"}),
    spread="host",
    account="x",
)


def fill(hosts: int) -> None:
    """Hosts of one size in 40 pods, each with ten guests of several sizes; sums as the claim would have left them."""
    call_command("flush", interactive=False, verbosity=0)
    dice = Random(hosts)
    pods = Pod.objects.bulk_create(Pod(slug=f"pod-{n}", location=f"town-{n % 5}") for n in range(PODS))
    sizes = [Need(1_000, 1_024, 25), Need(2_000, 4_096, 50), Need(4_000, 8_192, 100)]
    rows, allocations = [], []
    for number in range(hosts):
        host = Host(
            pod=pods[number % PODS], name=f"h{number}", driver="simulated", address=f"h{number}", kinds=["zone"],
            traits=dice.choice([["ssd"], ["ssd", "old"], ["ssd", "gpu"], []]), cap_cpu_m=512_000, cap_memory_mib=524_288,
            cap_disk_gib=12_000, guests=GUESTS_A_HOST, next_uid_slot=GUESTS_A_HOST,
        )  # fmt: skip
        for slot in range(GUESTS_A_HOST):
            need = dice.choice(sizes)
            host.used_cpu_m += need.cpu_m
            host.used_memory_mib += need.memory_mib
            host.used_disk_gib += need.disk_gib
            allocations.append(
                Allocation(
                    holder_id=new_id(),
                    account_id=new_id(),
                    host_id=host.pk,
                    pod_id=host.pod_id,
                    uid_slot=slot,
                    cpu_m=need.cpu_m,
                    memory_mib=need.memory_mib,
                    disk_gib=need.disk_gib,
                )
            )
        rows.append(host)
    Host.objects.bulk_create(rows, batch_size=2_000)
    Allocation.objects.bulk_create(allocations, batch_size=5_000)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE pods_host; ")
        cursor.execute("VACUUM ANALYZE pods_allocation")


def run(directory: Path) -> list[Result]:
    """From the smallest fleet to the largest; claims are measured on the two larger ones."""
    results: list[Result] = []
    costs: dict[int, float] = {}
    for hosts in SIZES:
        fill(hosts)
        results.append(_plans(hosts))
        if hosts >= 1_000:
            claims = _claims(hosts, processes=1)
            costs[hosts] = claims["cpu_ms"]
            results.append(_of_claims(hosts, 1, claims))
    results.append(_of_claims(SIZES[-1], 8, _claims(SIZES[-1], processes=8)))
    results.append(_growth(costs))
    results.append(_memory())
    return results


def _plans(hosts: int) -> Result:
    """In milliseconds of processor time, so that what else the machine does is not counted."""
    fleet = load_fleet()
    samples = []
    for number in range(PLANS + 20):
        began = time.thread_time()
        plan(WANTED, fleet, rng=Random(number))
        samples.append(1000 * (time.thread_time() - began))
    ordered = sorted(samples[20:])
    p50, p95, p99 = (round(ordered[int(share * (PLANS - 1))], 3) for share in (0.5, 0.95, 0.99))
    goal = 5.0 if hosts == SIZES[-1] else None
    return Result(
        f"placement.plan_{hosts}", p99, "ms", PLANS, p50, p95, goal=goal, note="value: p99, processor time of one request"
    )


def _claims(hosts: int, *, processes: int) -> dict[str, float]:
    """The service and bare SQL in turns, the same number of processes each."""
    rates: dict[str, list[float]] = {"service": [], "bare": []}
    cpu: list[float] = []
    for _ in range(TURNS):
        for mode in rates:
            told = _crowd(mode, processes)
            rates[mode].append(sum(answer["claims"] for answer in told) / SECONDS)
            if mode == "service":
                cpu.append(1000 * sum(a["cpu"] for a in told) / max(1, sum(a["claims"] for a in told)))
    faults = _faults()
    assert not faults, faults
    return {**{mode: statistics.median(rate) for mode, rate in rates.items()}, "cpu_ms": statistics.median(cpu)}


def _crowd(mode: str, processes: int) -> list[dict[str, Any]]:
    environment = {**os.environ, "MCP_DATABASE_URL": database_url(), "MCP_LOG_LEVEL": "WARNING"}
    task = json.dumps({"mode": mode, "seconds": SECONDS, "start": time.time() + 4 + processes})
    command = [sys.executable, "-m", "tests.bench.claimer", task]
    crowd = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) for _ in range(processes)]
    answers = []
    for process in crowd:
        out, _ = process.communicate(timeout=120)
        answers.append(json.loads(out))
    return answers


def _faults() -> list[str]:
    """Hosts on which promises and rows differ, or that are oversold: none, or the figures mean nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h.name FROM pods_host h JOIN (SELECT host_id, sum(cpu_m) c, sum(memory_mib) m, sum(disk_gib) d, count(*) n"
            " FROM pods_allocation GROUP BY host_id) a ON a.host_id = h.id WHERE (h.used_cpu_m, h.used_memory_mib,"
            " h.used_disk_gib, h.guests) <> (a.c, a.m, a.d, a.n) OR h.used_memory_mib > h.cap_memory_mib LIMIT 5"
        )
        return [row[0] for row in cursor.fetchall()]


def _of_claims(hosts: int, processes: int, claims: dict[str, float]) -> Result:
    rate, bare = round(claims["service"], 1), round(claims["bare"], 1)
    name = f"placement.claims_per_s_{hosts}_x{processes}"
    return Result(
        name, rate, "1/s", TURNS, rate, rate, baseline=bare, ratio=round(rate / bare, 3),
        goal=0.5 if hosts == SIZES[-1] else None, better="more",
        note=f"{processes} process(es), {claims['cpu_ms']:.2f} ms of processor each; baseline: bare SQL of the same shape",
    )  # fmt: skip


def _growth(costs: dict[int, float]) -> Result:
    small, large = costs[1_000], costs[10_000]
    return Result(
        "placement.growth", round(large, 3), "ms", TURNS, round(large, 3), round(large, 3), baseline=round(small, 3),
        ratio=round(large / small, 3), goal=3.0, note="processor time a claim at 10,000 hosts over that at 1,000",
    )  # fmt: skip


def _memory() -> Result:
    """What one more fleet in memory takes."""
    code = (
        "import os, django; django.setup(); from pods.models import Host; from pods.services.fleet_cache import fleet_cache;"
        "rss = lambda: int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGESIZE') // 1024;"
        "Host.objects.count(); before = rss(); fleet_cache.get(); print(rss() - before, rss())"
    )
    environment = {**os.environ, "MCP_DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "mcp.settings"}
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    grown, whole = (int(part) / 1024 for part in out.split())
    return Result("placement.memory", round(grown, 1), "MiB", 1, round(grown, 1), round(grown, 1),
                  note=f"the fleet of 10,000 hosts in a process of {whole:.0f} MiB")  # fmt: skip
