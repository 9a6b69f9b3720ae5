"""Broker, database and network fail in the middle of twenty creates; nothing is lost and nothing is left over."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.db import connection

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.states import State
from mcp.operations.models import Operation
from tests.real_pod import RealPod
from tests.scenarios.conftest import need
from tests.servers import own_broker, restart_postgresql
from tests.stack import Stack, running_stack, until

pytestmark = [pytest.mark.lab, pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(600)]

CREATES = 20
CUT_S = float(os.environ.get("MCP_CUT_S", "8"))


def begun() -> bool:
    """In the middle: a worker has begun, and cannot have finished twenty since the last look."""
    return Operation.objects.filter(kind="accelerator.create", state__in=["running", "succeeded"]).exists()


def all_running(pod: RealPod) -> bool:
    return Accelerator.objects.filter(state=State.RUNNING).count() == CREATES and not pod.unsettled()


def remove_all(pod: RealPod) -> None:
    for accelerator in Accelerator.objects.exclude(state=State.DELETED):
        delete(actor=pod.actor, accelerator_id=accelerator.pk, now=True)
    until(lambda: not pod.unsettled(), within_s=120, what="the deletions")
    assert pod.on_hosts() == {}
    assert pod.disagreements() == []


def test_losing_the_broker_loses_nothing(real_pod: RealPod, tmp_path: Path) -> None:
    need("postgres", connection.vendor == "postgresql", "needs MCP_DATABASE_URL of a PostgreSQL server")
    with own_broker(tmp_path) as broker, running_stack(tmp_path, MCP_BROKER_URL=broker.url):
        real_pod.ask("web", count=CREATES)
        until(begun, every_s=0.01, what="the first create")
        broker.kill()
        late = real_pod.ask("late")  # accepted although nobody can be told
        assert late.operations[0].state == "queued"
        broker.start()
        until(
            lambda: Accelerator.objects.filter(state=State.RUNNING).count() == CREATES + 1,
            within_s=180,
            what="all after the broker came back",
        )
        assert real_pod.disagreements() == []
        remove_all(real_pod)


def test_a_crash_of_the_database_loses_nothing(real_pod: RealPod, stack: Stack) -> None:
    need("postgres", "MCP_TEST_PGDATA" in os.environ, "needs MCP_TEST_PGDATA, the data directory of the server under test")
    real_pod.ask("web", count=CREATES)
    until(begun, every_s=0.01, what="the first create")
    restart_postgresql()
    connection.close()
    until(lambda: all_running(real_pod), within_s=120, what="the creates after the crash")
    assert real_pod.disagreements() == []
    remove_all(real_pod)


def test_cutting_a_host_off_the_network_loses_nothing(real_pod: RealPod, stack: Stack) -> None:
    real_pod.ask("web", count=CREATES)
    until(begun, every_s=0.01, what="the first create")
    host = real_pod.lab.hosts[0].name
    real_pod.lab.cut_host(host)
    try:
        # By then every thread of the worker hangs on the host. Two heartbeats take 20 s at most; the rest is for slow machines.
        until(lambda: real_pod.pod.hosts.filter(name=host, reachable=False).exists(), within_s=45, what="noticing the cut")
        done = Operation.objects.filter(state="succeeded").count()
        assert done < CREATES
        time.sleep(CUT_S)  # the length of the cut is what is tested
    finally:
        real_pod.lab.heal_host(host)
    until(lambda: all_running(real_pod), within_s=180, what="all after the cut")
    assert real_pod.disagreements() == []
    remove_all(real_pod)
