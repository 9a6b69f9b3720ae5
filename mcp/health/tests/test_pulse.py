"""Signs of life."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from accelerators.testing.world import World
from mcp.health.models import Pulse, Tally
from mcp.health.services.pulse import SWEEP, Presence, beat, bump, forget_the_dead, fresh_workers, last_sweep
from mcp.operations.models import Operation
from mcp.operations.tasks import sweep
from mcp.testing.drain import expire_leases, next_due, resume


@pytest.mark.django_db
def test_beating_again_moves_the_time() -> None:
    beat("worker:a", queues=["mcp"])
    Pulse.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert fresh_workers() == []
    beat("worker:a", queues=["mcp", "ams"])
    (worker,) = fresh_workers()
    assert worker.detail == {"queues": ["mcp", "ams"]}


@pytest.mark.django_db
def test_a_worker_for_the_watch_alone_carries_no_operation_out() -> None:
    beat("worker:watch", queues=["mcp.watch"])
    assert fresh_workers() == []
    beat("worker:embedded", queues=["mcp", "mcp.watch"])
    assert [worker.name for worker in fresh_workers()] == ["worker:embedded"]


@pytest.mark.django_db
def test_the_sweeper_leaves_its_sign() -> None:
    assert last_sweep() is None
    sweep()
    swept = last_sweep()
    assert swept is not None
    assert Pulse.objects.get(name=SWEEP).at == swept


@pytest.mark.django_db
def test_the_dead_are_forgotten_after_a_day() -> None:
    beat("worker:old")
    Pulse.objects.update(at=timezone.now() - timedelta(days=2))
    beat("worker:new")
    assert forget_the_dead() == 1
    assert [pulse.name for pulse in Pulse.objects.all()] == ["worker:new"]


@pytest.mark.django_db(transaction=True)
def test_a_presence_comes_and_goes() -> None:
    presence = Presence("here", embedded=True)
    presence.start()
    deadline = time.monotonic() + 10
    while not fresh_workers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [worker.name for worker in fresh_workers()] == ["worker:here"]
    presence.stop()
    assert fresh_workers() == []


@pytest.mark.django_db
def test_bumping_counts() -> None:
    bump("x")
    bump("x")
    assert Tally.objects.get(name="x").count == 2


def test_a_takeover_is_counted_and_a_first_claim_is_not(world: World) -> None:
    world.create()
    operation = next_due()
    assert operation is not None
    assert not Tally.objects.exists()
    expire_leases()
    resume(operation.pk)
    assert Tally.objects.get(name="lease_takeovers").count == 1
    assert Operation.objects.get(pk=operation.pk).state == "succeeded"
