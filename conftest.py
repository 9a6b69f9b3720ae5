"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django.db.models.signals import post_migrate
from django.test import override_settings
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from accelerators.models import Plan
from accelerators.testing.make import make_plan
from accelerators.testing.world import World, make_world
from accounts.actor import Actor
from accounts.models import Account
from accounts.testing import actor_with, client_with, make_account, make_key
from pods.gear.simulated import SimulatedPod
from pods.models import Image, Pod
from pods.testing import make_image, make_pod

pytest_plugins = ["lab.fixtures", "mcp.testing.parts"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the database: `make test` runs that twice, on SQLite and on PostgreSQL, and all else once."""
    for item in items:
        asked = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
        if asked or item.get_closest_marker("django_db"):
            item.add_marker("database")


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=["mcp.testing.hashers.QuickArgon2"]):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit truncate all tables at their end. What migrations seed comes back, so that their order is free."""
    with django_db_blocker.unblock():
        seeded = list(Plan.objects.all())

    def seed_again(**_: Any) -> None:
        Plan.objects.bulk_create(seeded, ignore_conflicts=True)

    post_migrate.connect(seed_again, sender=apps.get_app_config("accelerators"), weak=False)


@pytest.fixture
def world(db: None) -> World:
    """An account and a simulated pod of two hosts."""
    return make_world()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file, as it runs for real: an in-memory database shared by threads locks differently."""
    if settings.SQLITE:
        file: Path = tmp_path_factory.mktemp("db") / "test.sqlite3"
        connections["default"].settings_dict["TEST"]["NAME"] = str(file)


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Budgets of one test are not those of the next."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def on_postgres(db: Any) -> None:
    """For what only PostgreSQL does; mark such tests with `postgres`."""
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: set MCP_DATABASE_URL")


@pytest.fixture
def account(db: Any) -> Account:
    """The account `acme`."""
    return make_account("acme")


@pytest.fixture
def owner_key(account: Account) -> str:
    """A key of its owner."""
    return make_key(account)


@pytest.fixture
def actor(owner_key: str) -> Actor:
    """The owner, acting by key."""
    return actor_with(owner_key)


@pytest.fixture
def api(owner_key: str) -> APIClient:
    """A client with the owner's key."""
    return client_with(owner_key)


@pytest.fixture
def operator_api(db: Any) -> APIClient:
    """A client with an operator's key."""
    return client_with(make_key(None))


@pytest.fixture
def image(db: Any) -> Image:
    """`debian-12`."""
    return make_image()


@pytest.fixture
def plan(db: Any) -> Plan:
    """`zone-256m`."""
    return make_plan()


@pytest.fixture
def pod(db: Any, image: Image, plan: Plan) -> Iterator[Pod]:
    """A simulated pod `sim1` of two hosts, ready to take accelerators."""
    yield make_pod("sim1")
    SimulatedPod.forget("sim1")


@pytest.fixture
def simulated(pod: Pod) -> SimulatedPod:
    """The hand behind MCP's back on the hosts of `pod`."""
    return SimulatedPod.named(pod.slug)


@pytest.fixture(autouse=True)
def _fleet_read_anew(settings: Any) -> None:
    """What one test left of the fleet is not the next one's; tests of the cache turn it on again."""
    settings.PLACEMENT_REFRESH_S = 0
    settings.SUMS_S = 0
