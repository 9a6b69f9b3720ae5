"""`manage.py doctor`: each planted fault is found, named, and comes with a remedy."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accelerators.models import Accelerator
from accelerators.services.reconcile import reconcile_host
from accelerators.testing.world import World
from mcp.health import examinations, readiness
from mcp.health.doctor import Finding, Level, examine
from mcp.health.services.pulse import SWEEP, beat
from mcp.operations.models import Operation
from mcp.testing.drain import next_due
from pods.models import Address, Allocation, DriftFinding, Host, Image

Plant = Callable[[World], None]


def bad() -> list[Finding]:
    """What is worse than fine."""
    return [finding for finding in examine() if finding.level is not Level.OK]


@pytest.fixture
def healthy(world: World, settings: Settings, tmp_path: Path) -> World:
    """A running guest, a worker and a clock, and an image file."""
    settings.IMAGE_DIR = tmp_path
    (tmp_path / world.image.file).write_bytes(b"x" * world.image.size_bytes)
    beat("worker:test")
    beat(SWEEP)
    world.running("web")
    return world


def test_a_healthy_installation_is_fine(healthy: World) -> None:
    assert bad() == []
    call_command("doctor")  # exit code 0: no SystemExit


def _stop_worker(world: World) -> None:
    from mcp.health.models import Pulse

    Pulse.objects.update(at=timezone.now() - timedelta(minutes=2))


def _silence_host(world: World) -> None:
    Host.objects.filter(name="h1").update(reachable=False, last_error="gear.unreachable: no route")


def _skew_sum(world: World) -> None:
    Host.objects.filter(name="h2").update(used_memory_mib=4096)


def _lose_guest_count(world: World) -> None:
    Host.objects.filter(name="h1").update(guests=7)


def _address_of_nobody(world: World) -> None:
    Address.objects.update(holder_id=uuid4())


def _allocation_of_nobody(world: World) -> None:
    Allocation.objects.update(holder_id=uuid4())


def _fail_with_room(world: World) -> None:
    """A failed accelerator that kept what it held. The life cycle forbids it, so the guard is stepped around."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accelerators_tag")
        Accelerator.objects.update(deleted_at=timezone.now())
        _without_guard(cursor)
        Accelerator.objects.update(state="failed")


def _stuck_state(world: World) -> None:
    Accelerator.objects.update(state="stopping")


def _lapsed_lease(world: World) -> None:
    world.create("other")
    operation = next_due()
    assert operation is not None
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now() - timedelta(minutes=5))


def _nobody_takes_it(world: World) -> None:
    created = world.create("other")
    Operation.objects.filter(pk=created.operations[0].pk).update(not_before=timezone.now() - timedelta(minutes=5), queue="ams")


def _needs_attention(world: World) -> None:
    created = world.create("other")
    operation = next_due()
    assert operation is not None
    Operation.objects.filter(pk=created.operations[0].pk).update(state="needs_attention", lease_until=None)


def _foreign_guest(world: World) -> None:
    world.host("h1").create_foreign("by-hand")
    reconcile_host(Host.objects.get(name="h1"))


def _power_drift(world: World) -> None:
    guest = Accelerator.objects.get()
    assert guest.host is not None
    world.host(guest.host.name).stop_guest(str(guest.pk))
    reconcile_host(guest.host)


def _lose_image(world: World) -> None:
    world.image.ref.path.unlink()


def _cut_image_short(world: World) -> None:
    world.image.ref.path.write_bytes(b"")


def _empty_pod(world: World) -> None:
    from accounts.actor import system
    from pods.services.enrol import NetworkWish, add_pod

    add_pod(actor=system(), slug="empty", network=NetworkWish("10.97.0.0/24"))


def _without_guard(cursor: object) -> None:
    cursor.execute("DROP TRIGGER IF EXISTS accelerators_accelerator_state_guard" + (  # type: ignore[attr-defined]  # a cursor
        " ON accelerators_accelerator" if connection.vendor == "postgresql" else ""
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "name", "words"),
    [
        (_stop_worker, "worker", ["No worker", "sweeper"]),
        (_silence_host, "hosts", ["h1 does not answer", "no route"]),
        (_empty_pod, "hosts", ["empty has no host"]),
        (_skew_sum, "sums", ["h2", "4096"]),
        (_lose_guest_count, "sums", ["h1", "'guests': 7"]),
        (_address_of_nobody, "addresses", ["is held by", "has no address"]),
        (_allocation_of_nobody, "allocations", ["keeps room for", "has no room"]),
        (_fail_with_room, "addresses", ["is held by"]),
        (_stuck_state, "passing states", ["web", "is stopping"]),
        (_lapsed_lease, "operations", ["stuck past their lease", "other"]),
        (_nobody_takes_it, "operations", ["nobody takes them", "queue ams"]),
        (_needs_attention, "operations", ["need attention", "other"]),
        (_foreign_guest, "drift", ["by-hand", "does not know"]),
        (_power_drift, "drift", ["1 differences"]),
        (_lose_image, "images", ["is gone"]),
        (_cut_image_short, "images", ["size on record"]),
    ],
)
def test_each_planted_fault_is_found(healthy: World, plant: Plant, name: str, words: list[str]) -> None:
    plant(healthy)
    found = [finding for finding in bad() if finding.name == name]
    told = " ".join(finding.sentence for finding in found)
    assert found
    for word in words:
        assert word in told
    assert all(finding.remedy for finding in found)


def test_fix_sums_makes_the_books_true_again(healthy: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(Host.objects.values_list("name", "used_memory_mib"))
    _skew_sum(healthy)
    _lose_guest_count(healthy)
    call_command("doctor", "--fix-sums", "--only", "sums")
    assert "h2: the use of it is now" in capsys.readouterr().out
    assert dict(Host.objects.values_list("name", "used_memory_mib")) == before
    assert sum(Host.objects.values_list("guests", flat=True)) == 1


def test_failures_exit_1_and_json_is_for_programs(healthy: World) -> None:
    _silence_host(healthy)
    out = io.StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("doctor", "--json", stdout=out)
    assert exit_.value.code == 1
    levels = {row["name"]: row["level"] for row in json.loads(out.getvalue())}
    assert (levels["hosts"], levels["sums"]) == ("FAIL", "OK")


def test_warnings_alone_exit_0(healthy: World) -> None:
    _foreign_guest(healthy)
    assert DriftFinding.objects.filter(state="open").count() == 1
    call_command("doctor")


def test_a_database_or_broker_that_does_not_answer_is_a_finding(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examinations, "broker", lambda: readiness.Check("broker", False, "The broker does not answer."))
    monkeypatch.setattr(examinations, "database", lambda: readiness.Check("database", False, "The database does not answer."))
    told = {finding.name: finding.sentence for finding in examine()}
    assert told["broker"] == "The broker does not answer."
    assert told["database"] == "The database does not answer."


def test_unapplied_migrations_are_a_finding(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examinations, "migrations", lambda: readiness.Check("migrations", False, "2 migrations are missing."))
    assert any("migrations are missing" in finding.sentence for finding in examine("database"))


def test_a_new_field_key_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("doctor", "--new-field-key")
    Fernet(capsys.readouterr().out.strip())


def test_disabled_images_need_no_file(healthy: World) -> None:
    _lose_image(healthy)
    Image.objects.update(state="disabled")
    assert bad() == []
