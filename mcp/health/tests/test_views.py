"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import re

import pytest
from django.db import DatabaseError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accelerators.testing.world import World
from accounts.models import User
from accounts.services.api_keys import issue
from mcp.health import readiness
from mcp.health.services.pulse import SWEEP, beat, bump
from mcp.testing.drain import drain


@pytest.fixture
def operator_key(db: None) -> str:
    """An operator's key."""
    user = User.objects.create_user("root", is_staff=True)
    return issue(account=None, user=user, name="prometheus")[1]


def scrape(client: Client, key: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples by name and labels."""
    answer = client.get("/metrics", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_healthz_asks_nothing(client: Client) -> None:
    answer = client.get("/healthz")  # pytest-django refuses database access in a test that does not ask for it
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_readyz_lists_the_checks(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "checks": {name: {"ok": True} for name in ("database", "migrations", "broker")}}


@pytest.mark.django_db
def test_readyz_is_503_without_its_tables(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_migrated", False)
    monkeypatch.setattr(readiness, "unapplied_migrations", lambda: ["pods.0009_more"])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == {"ok": False, "detail": "1 migrations are missing; run ./manage.py migrate."}


def test_readyz_is_503_without_a_database_and_tells_no_secrets(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def cursor(self) -> None:
            raise DatabaseError("password authentication failed for user mcp")

    monkeypatch.setattr(readiness, "connection", Broken())
    monkeypatch.setattr(readiness, "_migrated", True)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == {"ok": False, "detail": "The database does not answer."}
    assert b"password" not in answer.content


def test_readyz_is_503_without_its_broker(db: None, client: Client, settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMBEDDED = False  # type: ignore[attr-defined]  # pytest-django's wrapper

    class Unreachable:
        def connection_for_write(self, **options: object) -> None:
            raise OSError("refused")

    monkeypatch.setattr(readiness, "app", Unreachable())
    assert client.get("/readyz").json()["checks"]["broker"] == {"ok": False, "detail": "The broker does not answer."}


def test_metrics_are_for_operators(world: World, client: Client, operator_key: str) -> None:
    customer_key = issue(account=world.account, user=world.user, name="theirs")[1]
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": f"Bearer {customer_key}"}).status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer nonsense"}).status_code == 401
    client.force_login(world.user)
    assert client.get("/metrics").status_code == 401
    client.force_login(User.objects.get(username="root"))
    assert client.get("/metrics").status_code == 200


def test_metrics_tell_what_the_database_knows(world: World, client: Client, operator_key: str) -> None:
    world.running("one")
    world.create("two")
    world.host("h1").create_foreign("by-hand")
    beat(SWEEP)
    beat("worker:x")
    bump("lease_takeovers")
    bump("lease_takeovers")
    samples = scrape(client, operator_key)

    def value(name: str, **labels: str) -> float:
        return samples[(name, frozenset(labels.items()))]

    pod = world.pod.slug
    assert value("mcp_operations_active", state="queued", kind="accelerator.create") == 1
    assert value("mcp_operations_last_hour", state="succeeded", kind="accelerator.create") == 1
    assert value("mcp_queue_age_seconds", queue="mcp") >= 0
    assert value("mcp_lease_takeovers_total") == 2
    assert value("mcp_workers") == 1
    assert value("mcp_sweep_age_seconds") < 60
    assert value("mcp_hosts", pod=pod, state="online") == 2
    assert value("mcp_guests", pod=pod) == 2
    assert value("mcp_capacity_used", pod=pod, dimension="memory_mib") == 512
    assert value("mcp_capacity_total", pod=pod, dimension="memory_mib") > 100_000
    assert value("mcp_step_seconds", kind="accelerator.create", step="build", quantile="0.5") >= 0
    assert value("mcp_operations_needs_attention") == 0


def test_metrics_cost_the_same_whatever_the_fleet(world: World, client: Client, operator_key: str) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    scrape(client, operator_key)
    with CaptureQueriesContext(connection) as before:
        scrape(client, operator_key)
    world.create("many", count=12)
    drain()
    with CaptureQueriesContext(connection) as after:
        scrape(client, operator_key)
    assert len(after) == len(before) <= 20


@pytest.mark.django_db
def test_requests_are_counted_by_route_and_never_by_path(client: Client, operator_key: str) -> None:
    client.get("/healthz")
    client.get("/no/such/path/4711")
    client.generic("BREW", "/healthz")
    samples = scrape(client, operator_key)
    names = {labels for name, labels in samples if name == "mcp_http_requests_total"}
    assert frozenset({("method", "GET"), ("route", "healthz"), ("status", "200")}) in names
    assert frozenset({("method", "other"), ("route", "healthz"), ("status", "405")}) in names
    assert not re.search("4711|BREW", str(names))
    assert any(name == "mcp_http_request_seconds_bucket" for name, _ in samples)
