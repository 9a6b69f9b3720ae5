"""api.list and api.create at 1,000 accelerators, beside an empty DRF view served by the same process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from accelerators.testing.world import World
from tests.bench.control import big_world
from tests.bench.place import Api, serving
from tests.bench.results import Result, of_times

ROWS = 1_000
SAMPLES = 200


def run(directory: Path) -> list[Result]:
    """Three kinds of request in turns, one connection, so that they share whatever the machine does meanwhile."""
    world = big_world(directory)
    _fill(world)
    with serving(world.account, world.user, directory=directory, work=False) as api:
        return _measure(api)


def _fill(world: World) -> None:
    for batch in range(ROWS // 100):
        world.create(f"row{batch}", count=100, tags={"role": "web", "n": str(batch)})


def _measure(api: Api) -> list[Result]:
    empty: list[float] = []
    listing: list[float] = []
    create: list[float] = []
    body = {"plan": "zone-256m", "image": "busybox", "ssh_keys": []}
    for number in range(SAMPLES + 20):
        warm = number < 20
        samples = (
            _timed(partial(api.client.get, "/empty")),
            _timed(partial(api.client.get, "/accelerators?limit=20")),
            _timed(partial(api.client.post, "/accelerators", json={**body, "name": f"b{number}"})),
        )
        if not warm:
            for series, sample in zip((empty, listing, create), samples, strict=True):
                series.append(sample)
    return [
        of_times("api.empty", empty, note="an empty DRF view with authentication: the baseline"),
        of_times("api.list", listing, empty, note=f"20 of {ROWS} accelerators"),
        of_times("api.create", create, empty, note=f"accepted, at {ROWS} accelerators"),
    ]


def _timed(request: Callable[[], httpx.Response]) -> float:
    began = time.monotonic()
    request().raise_for_status()
    return time.monotonic() - began
