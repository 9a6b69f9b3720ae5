"""Web, worker, watch and clock in one process: operations that hang keep nobody from being watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from accelerators.models import Accelerator
from accelerators.testing.world import World, make_world
from mcp.celery import app
from mcp.embedded import EmbeddedWorker
from mcp.health.services.pulse import fresh_workers, last_sweep
from mcp.operations.models import Operation
from mcp.operations.stopping import resume_claiming
from pods.models import Host

THREADS = 2
OFTEN = {
    "sweep": {"task": "mcp.operations.sweep", "schedule": 0.2},
    "heartbeats": {"task": "pods.heartbeat_hosts", "schedule": 0.2},
    "silent": {"task": "pods.heartbeat_silent_hosts", "schedule": 0.2},
    "reconcile": {"task": "pods.reconcile_hosts", "schedule": 0.2},
}

pytestmark = pytest.mark.django_db(transaction=True)


def until(condition: Callable[[], bool], what: str, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def worker(settings: Settings) -> Iterator[EmbeddedWorker]:
    """Running, with a quick clock; ended whatever the test did."""
    settings.HOST_UNREACHABLE_AFTER = 2
    usual, app.conf.beat_schedule = app.conf.beat_schedule, OFTEN
    made = EmbeddedWorker(threads=THREADS, queues=["mcp"], watch_threads=4)
    made.start()
    yield made
    made.stop()
    app.conf.beat_schedule = usual
    resume_claiming()


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def running() -> int:
    return Operation.objects.filter(state="running").count()


def test_operations_that_hang_do_not_keep_a_dead_host_from_being_noticed(world: World, worker: EmbeddedWorker) -> None:
    hands = world.simulated.hosts()
    tickets = [(hand, hand.hang_next("create")) for hand in hands for _ in range(2 * THREADS)]
    try:
        world.create("web", count=2 * THREADS)
        until(lambda: sum(len(hand.state().faults) for hand in hands) == len(tickets) - THREADS, "every thread hangs")
        world.host("h1").go_down()
        until(lambda: Host.objects.filter(name="h1", reachable=False).exists(), "the dead host")
        assert Host.objects.filter(name="h2", reachable=True).exists()
        assert running() == THREADS
        swept = last_sweep()
        until(lambda: last_sweep() != swept, "another sweep")
        world.host("h1").come_up()
        until(lambda: Host.objects.filter(name="h1", reachable=True).exists(), "the return")
    finally:
        for hand, ticket in tickets:
            hand.release(ticket)
    until(lambda: Accelerator.objects.filter(state="running").count() == 2 * THREADS, "all creates")


def test_hosts_that_hang_do_not_keep_operations_or_other_hosts_waiting(world: World, worker: EmbeddedWorker) -> None:
    hand = world.host("h1")
    ticket = hand.hang_next("heartbeat")
    seen = Host.objects.get(name="h2").last_seen_at
    try:
        until(lambda: Host.objects.get(name="h2").last_seen_at != seen, "a heartbeat of the other host")
        world.create("web", count=2)
        until(lambda: Accelerator.objects.filter(state="running").count() == 2, "the creates")
    finally:
        hand.release(ticket)


def test_it_shows_its_queues_and_leaves_in_good_order(transactional_db: None, worker: EmbeddedWorker) -> None:
    until(lambda: bool(fresh_workers()), "a sign of life")
    assert fresh_workers()[0].detail == {"queues": ["mcp", "mcp.watch"], "threads": THREADS, "embedded": True}
    started = time.monotonic()
    assert worker.stop()
    assert time.monotonic() - started < 10
    assert fresh_workers() == []
