"""Fixtures that every test may use."""

from __future__ import annotations

import pytest

from accelerators.testing.world import World, make_world

pytest_plugins = ["lab.fixtures"]


@pytest.fixture
def world(db: None) -> World:
    """An account and a simulated pod of two hosts."""
    return make_world()
