"""Customers, clock and workers at once, in threads: nothing deadlocks, no host runs more than it may, the books stay true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from django.db import connection

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.lent_room import call_back
from accelerators.services.power import start, stop
from accelerators.services.reconcile import reconcile_host
from accelerators.states import State
from accelerators.testing.lending import let_notice_pass, make_lending_world, running_memory
from accelerators.testing.world import World, unequal_sums
from mcp.errors import Conflict, NotFound
from mcp.operations.engine import run
from mcp.operations.models import Operation
from mcp.testing.drain import drain, next_due
from pods.errors import PlacementContended
from pods.models import Host
from pods.services.spot import overfull

ROUNDS = 14
PLACES = 3


class Crowd:
    """Threads that do things at random until all have done enough; what surprises is kept."""

    def __init__(self, world: World) -> None:
        self.world, self.surprises, self.over = world, list[str](), list[int]()
        self.done = threading.Event()

    def member(self, seed: int, *acts: Callable[[Random], Any]) -> threading.Thread:
        def live() -> None:
            random = Random(seed)
            for _ in range(ROUNDS):
                try:
                    random.choice(acts)(random)
                except (Conflict, NotFound, PlacementContended):
                    pass
                except Exception as surprise:  # whatever it is, the test tells
                    self.surprises.append(repr(surprise))
            connection.close()

        return threading.Thread(target=live)

    def watch(self) -> None:
        """What the hosts run, again and again."""
        while not self.done.wait(0.002):
            self.over += [used for name in ("h1", "h2") if (used := running_memory(self.world, name)) > PLACES * 256]

    def customer(self, seed: int) -> threading.Thread:
        actor = self.world.actor

        def anyone(random: Random) -> Any:
            rows = list(Accelerator.objects.exclude(state__in=[State.DELETED, State.FAILED]).values_list("pk", flat=True))
            return random.choice(rows) if rows else actor.demand_account().pk

        return self.member(
            seed,
            lambda random: self.world.create(f"firm-{seed}-{random.getrandbits(30)}"),
            lambda random: self.world.create(f"spot-{seed}-{random.getrandbits(30)}", plan="spot-256m"),
            lambda random: start(actor=actor, accelerator_id=anyone(random)),
            lambda random: stop(actor=actor, accelerator_id=anyone(random)),
            lambda random: delete(actor=actor, accelerator_id=anyone(random), now=True),
        )

    def clock(self, seed: int) -> threading.Thread:
        hosts = list(Host.objects.select_related("pod"))
        return self.member(
            seed, lambda _: call_back(), lambda _: let_notice_pass(), lambda random: reconcile_host(random.choice(hosts))
        )

    def worker(self, seed: int) -> threading.Thread:
        def work(_: Random) -> None:
            for _turn in range(4):
                operation = next_due(skip_pauses=False)
                if operation is not None:
                    run(operation)

        return self.member(seed, work)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_at_once(seed: int) -> None:
    world = make_lending_world(hosts=2, places=PLACES)
    for number in range(2 * PLACES):
        world.running(f"begin-{number}", plan="spot-256m")
    crowd = Crowd(world)
    watcher = threading.Thread(target=crowd.watch)
    threads = [crowd.customer(seed * 10 + n) for n in range(3)] + [crowd.clock(seed)] + [crowd.worker(seed + n) for n in range(2)]
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join(120)
    crowd.done.set()
    watcher.join(10)
    assert crowd.surprises == []
    assert crowd.over == [], "MiB that ran on a host at some moment"
    Operation.objects.filter(state="running").update(lease_until="2020-01-01T00:00:00Z")  # a worker cut off by a surprise
    for _ in range(12):
        call_back()
        let_notice_pass()
        drain(skip_pauses=False)
    assert [any(overfull(host.pk)) for host in Host.objects.all()] == [False, False]
    assert unequal_sums() == []
    assert not Operation.objects.exclude(state__in=sorted(Operation.SETTLED)).exists()
