"""A small simulated fleet."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelerators.fleet.simulate import FleetWish, simulate

ACCELERATORS = 240


def wish(state_dir: Path, **fields: int | bool) -> FleetWish:
    """Of a size at which every state occurs."""
    usual: dict[str, int | bool] = {"hosts": 40, "accelerators": ACCELERATORS, "pods": 3, "accounts": 14}
    return FleetWish(state_dir=state_dir, **(usual | fields))  # type: ignore[arg-type]  # fields are named by the tests


@pytest.fixture
def fleet(db: None, tmp_path: Path) -> str:
    """The name of its world."""
    return simulate(wish(tmp_path))
