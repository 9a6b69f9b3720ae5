"""Scenarios run on real parts: PostgreSQL, Redis, workers as processes, the pod in a box."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from lab.pod import Pod as Lab
from tests.caller import Caller
from tests.real_pod import RealPod, make_real_pod
from tests.stack import Stack, running_stack


def need(part: str, present: bool, reason: str) -> None:
    """Skip with the reason unless the part is there; fail if `MCP_REQUIRE` names it."""
    if present:
        return
    if part in os.environ.get("MCP_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab(lab_pods: Callable[..., Lab]) -> Lab:
    """One pod in a box for all scenarios."""
    return lab_pods(hosts=2)


@pytest.fixture
def real_pod(transactional_db: None, lab: Lab) -> Iterator[RealPod]:
    """The pod in a box, enrolled, with nothing on it; what a failed scenario leaves behind is removed."""
    pod = make_real_pod(lab)
    yield pod
    pod.clear()


@pytest.fixture
def customer(real_pod: RealPod) -> Caller:
    """The account's owner, through the API."""
    return Caller.of(real_pod.account)


@pytest.fixture
def operator(real_pod: RealPod) -> Caller:
    """An operator of the installation, through the API."""
    return Caller.of(None)


@pytest.fixture
def stack(transactional_db: None, tmp_path: Path) -> Iterator[Stack]:
    """A worker and beat as processes, on PostgreSQL and Redis."""
    need("postgres", connection.vendor == "postgresql", "needs MCP_DATABASE_URL of a PostgreSQL server")
    need("redis", settings.BROKER_URL.startswith("redis"), "needs MCP_BROKER_URL of a Redis server")
    with running_stack(tmp_path) as running:
        yield running
