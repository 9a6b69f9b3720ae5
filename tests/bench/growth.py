"""growth: what every GET costs at 100,000 accelerators, over the same at 1,000. Real PostgreSQL, in-process test clients.

Two databases, each filled by `simulate`; each request is sent to both in turns, and compared at the medians. Pages have
ten rows in both, and both fleets stand in as many pods, so that what is compared is the same page. That queries do not
become more is a matter of tests/growth, which asks about the same things twice.
"""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.core.management import call_command
from django.db import DatabaseError, connections

from accelerators.fleet.simulate import FleetWish, simulate
from pods.services.fleet_cache import fleet_cache
from tests.bench.results import Result
from tests.growth.asks import WHOLE, Ask, every_ask
from tests.growth.measure import Clients, queries, rows_of, seconds, send
from tests.growth.subjects import Subjects

GOAL = 1.5
# Below this many milliseconds a difference between two medians is the machine's noise, not growth.
NOISE_MS = 1.0
PODS = 40
SIZES = {"small": 1_000, "large": 100_000}
ROUNDS, SAMPLES = 2, 4
AGAIN = 6
# What takes so long need not be measured often; what the database ends takes for ever.
LONG_S, FOR_EVER_S = 2.0, 60.0
SHOWN = 12


@dataclass
class Place:
    """One of the two databases with who asks there."""

    connection: Any
    clients: Clients = field(default_factory=dict)
    asks: dict[str, Ask] = field(default_factory=dict)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """With everything that this process remembers of the other one forgotten."""
        connections["default"] = self.connection
        cache.clear()
        fleet_cache.forget()
        yield


@dataclass(frozen=True)
class Compared:
    """One request in both."""

    name: str
    small: list[float]
    large: list[float]
    queries: tuple[int, int]
    rows: tuple[int, int] = (0, 0)
    # The median of the whole list in the small fleet, where a filter of it finds fewer rows there than in the large one.
    whole_ms: float = 0.0

    @property
    def medians_ms(self) -> tuple[float, float]:
        """Small, large. A page that is fuller in the large fleet is compared with a full page of the same list."""
        small = 1000 * statistics.median(self.small)
        return max(small, self.whole_ms if self.rows[1] > self.rows[0] else 0.0), 1000 * statistics.median(self.large)

    @property
    def ratio(self) -> float:
        """Large over small; what is within the noise counts as equal."""
        small, large = self.medians_ms
        return max(small, large - NOISE_MS) / small

    @property
    def grown(self) -> bool:
        """Whether it misses the goal."""
        return self.ratio > GOAL


def run(directory: Path) -> list[Result]:
    """The worst first, and how many there are in all. `MCP_GROWTH_LARGE` makes the large fleet another size."""
    settings.THROTTLE_PER_MINUTE = dict.fromkeys(settings.THROTTLE_PER_MINUTE, 1_000_000)
    logging.getLogger("django.request").setLevel(logging.ERROR)  # addresses that are not for GET are expected
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    for page in admin.site._registry.values():
        type(page).list_per_page = 10
    usual = connections["default"]
    sizes = {**SIZES, "large": int(os.environ.get("MCP_GROWTH_LARGE", SIZES["large"]))}
    places = {name: _made(directory, name, size) for name, size in sizes.items()}
    try:
        found = [_compared(name, places) for name in places["small"].asks if name in places["large"].asks]
        whole = _with_whole_lists([one for one in found if one is not None])
        compared = _with_whole_lists([_again(one, places) if one.grown else one for one in whole])
    finally:
        connections["default"] = usual
        for place in places.values():
            place.connection.close()
    return _told(compared, sizes)


def _made(directory: Path, name: str, size: int) -> Place:
    """A database of its own on the same server, migrated and filled."""
    usual = connections["default"]
    database = f"growth_{name}"
    with usual.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {database}")
        cursor.execute(f"CREATE DATABASE {database}")
    connection = connections.create_connection("default")
    connection.settings_dict = {**connection.settings_dict, "NAME": database}
    place = Place(connection)
    with place.entered():
        call_command("migrate", verbosity=0)
        world = simulate(FleetWish(hosts=size // 10, accelerators=size, pods=PODS, state_dir=directory / name))
        subjects = Subjects(world)
        place.clients = subjects.clients()
        place.asks = {ask.name: ask for ask in every_ask(subjects) if ask.name not in WHOLE}
    connections["default"] = usual
    return place


def _compared(name: str, places: dict[str, Place], rounds: int = ROUNDS) -> Compared | None:
    """In turns; the first requests of each turn only warm up. None where there is nothing to GET."""
    times: dict[str, list[float]] = {"small": [], "large": []}
    counts: dict[str, int] = {}
    rows: dict[str, int] = {}
    for _ in range(rounds):
        for which, place in places.items():
            with place.entered():
                ask = place.asks[name]
                began = time.perf_counter()
                try:
                    asked = queries(place.clients, ask)
                except DatabaseError:  # it took longer than the database waits for anybody
                    place.connection.close()
                    return Compared(name, times["small"] or [FOR_EVER_S], [FOR_EVER_S], (0, 0))
                if asked is None:
                    return None
                counts[which] = len(asked)
                rows[which] = rows_of(send(place.clients, ask))
                took = (time.perf_counter() - began) / 3
                times[which] += [took] if took > LONG_S else [seconds(place.clients, ask) for _ in range(SAMPLES)]
    return Compared(name, times["small"], times["large"], (counts["small"], counts["large"]), (rows["small"], rows["large"]))


def _with_whole_lists(compared: list[Compared]) -> list[Compared]:
    """Each with the median of the list that it is a part of."""
    medians = {one.name: 1000 * statistics.median(one.small) for one in compared}
    return [replace(one, whole_ms=medians.get(one.name.partition("?")[0], 0.0)) for one in compared]


def _again(one: Compared, places: dict[str, Place]) -> Compared:
    """A longer look at what seems to grow."""
    found = _compared(one.name, places, AGAIN) or one
    return replace(found, whole_ms=one.whole_ms)


def _told(compared: list[Compared], sizes: dict[str, int]) -> list[Result]:
    worst = sorted(compared, key=lambda one: -one.ratio)
    lines = [_line(f"growth {one.name}", one) for one in worst[:SHOWN]]
    ratios = [one.ratio for one in compared]
    over = sum(one.ratio > GOAL for one in compared)
    shown = (
        f"{len(compared)} requests at {sizes['large']} over {sizes['small']} accelerators; {over} over the goal, the worst counts"
    )
    return [
        Result("growth.time", round(max(ratios), 2), "x", len(compared), round(statistics.median(ratios), 2),
               round(sorted(ratios)[int(0.95 * (len(ratios) - 1))], 2), goal=GOAL, note=shown),
        *lines,
    ]  # fmt: skip


def _line(name: str, one: Compared) -> Result:
    small, large = one.medians_ms
    return Result(
        name, round(large, 2), "ms", len(one.large), round(large, 2), round(1000 * sorted(one.large)[-1], 2),
        baseline=round(small, 2), ratio=round(one.ratio, 2), goal=GOAL, note=f"{one.queries[0]} queries, then {one.queries[1]}",
    )  # fmt: skip
