"""The same requests about the same things, in a small fleet and with a far larger one around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from accelerators.fleet.simulate import FleetWish, simulate
from tests.growth.asks import Ask, every_ask
from tests.growth.measure import Clients, queries
from tests.growth.subjects import Subjects

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(900)]


def _cost(clients: Clients, asks: list[Ask]) -> dict[str, list[str]]:
    found = {ask.name: queries(clients, ask) for ask in asks}
    return {name: sql for name, sql in found.items() if sql is not None}


def test_no_request_makes_more_queries_in_a_larger_fleet(tmp_path: Path, settings: Any) -> None:
    settings.THROTTLE_PER_MINUTE = dict.fromkeys(django_settings.THROTTLE_PER_MINUTE, 1_000_000)
    world = simulate(FleetWish(hosts=12, accelerators=60, pods=3, accounts=4, state_dir=tmp_path))
    subjects = Subjects(world)
    clients, asks = subjects.clients(), every_ask(subjects)
    small = _cost(clients, asks)
    assert len(small) > 250
    simulate(FleetWish(hosts=100, accelerators=2_000, pods=3, state_dir=tmp_path, seed=2))
    large = _cost(clients, asks)
    grown = [
        f"{name}: {len(small[name])} queries, then {len(large[name])}" for name in small if len(large[name]) > len(small[name])
    ]
    assert grown == []
