"""Mishaps of a host: counted, avoided, forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.testing.world import World
from mcp.testing.drain import drain
from pods.gear.errors import DiskFull, GearRefused, GearUnknown, ImageBroken, StaleFence
from pods.models import Host
from pods.services.fleet import load_fleet
from pods.services.mishap import is_mishap, note_mishap


@pytest.fixture
def host(world: World) -> Host:
    return Host.objects.get(name="h1")


def count(host: Host) -> int:
    host.refresh_from_db()
    return host.mishaps


def test_they_add_up_and_start_over_once_forgotten(host: Host, settings: Any) -> None:
    settings.MISHAPS_REMEMBERED_S = 3600
    note_mishap(host.pk)
    note_mishap(host.pk)
    assert count(host) == 2
    Host.objects.filter(pk=host.pk).update(mishap_at=timezone.now() - timedelta(seconds=3601))
    note_mishap(host.pk)
    assert count(host) == 1
    assert Host.objects.exclude(pk=host.pk).get().mishaps == 0


def test_they_are_bounded(host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(mishaps=1000, mishap_at=timezone.now())
    note_mishap(host.pk)
    assert count(host) == 1000


@pytest.mark.parametrize(
    ("code", "blamed"),
    [(GearRefused.code, True), (DiskFull.code, True), (GearUnknown.code, True), (ImageBroken.code, False),
     (StaleFence.code, False), ("operation.step_timed_out", False), ("operation.cancelled", False), ("", False)],
)  # fmt: skip
def test_gear_is_blamed_and_nothing_else(code: str, blamed: bool) -> None:
    assert is_mishap(code) is blamed


def test_a_create_that_fails_on_a_host_is_its_mishap(world: World) -> None:
    created = world.create("web")
    chosen = created.accelerators[0].host
    assert chosen is not None
    world.host(chosen.name).fail_next("create", GearRefused)
    drain()
    assert Accelerator.objects.get().state == "failed"
    assert {row.name: row.mishaps for row in Host.objects.all()} == {"h1": 0, "h2": 0, chosen.name: 1}
    other = next(name for name in ("h1", "h2") if name != chosen.name)
    assert load_fleet().mishaps.max() == pytest.approx(1 / 3)
    note_mishap(chosen.pk)
    note_mishap(chosen.pk)
    for number in range(4):
        world.create(f"after-{number}")
    names = set(Accelerator.objects.filter(name__startswith="after").values_list("host__name", flat=True))
    assert names == {other}, "the next ones go elsewhere while it is remembered"


def test_a_create_that_is_cancelled_or_succeeds_is_nobodys(world: World) -> None:
    world.running("good")
    assert not Host.objects.exclude(mishaps=0).exists()
