"""`host lend` and `pod time-zone`."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accelerators.testing.lending import make_lending_world, running_spot
from accelerators.testing.world import World
from pods.models import Host, Pod

Output = pytest.CaptureFixture[str]


def test_lend_at_night_always_never(world: World, capsys: Output) -> None:
    call_command("host", "lend", "h1", "windows", "--window", "mon-fri 19:00-07:00", "--window", "sat,sun 00:00-24:00")
    assert capsys.readouterr().out == "h1 lends idle room: mon-fri 19:00-07:00, sat,sun 00:00-24:00 (UTC).\n"
    call_command("host", "lend", "h1", "never")
    call_command("host", "lend", "h1", "windows")
    host = Host.objects.get(name="h1")
    assert (host.spot, host.spot_windows) == ("windows", ["mon-fri 19:00-07:00", "sat,sun 00:00-24:00"])
    call_command("host", "list")
    assert "windows" in capsys.readouterr().out


def test_what_runs_there_is_told(capsys: Output, db: None) -> None:
    world = make_lending_world()
    running_spot(world, "spot")
    call_command("host", "list", "--json")
    assert '"always 256 MiB"' in capsys.readouterr().out
    call_command("host", "lend", "h1", "never")
    assert "told to leave within 120 s" in capsys.readouterr().out


@pytest.mark.parametrize("windows", [[], ["--window", "nights"]])
def test_bad_windows(world: World, windows: list[str]) -> None:
    with pytest.raises(CommandError, match="spot_windows"):
        call_command("host", "lend", "h1", "windows", *windows)
    assert Host.objects.get(name="h1").spot == "never"


def test_the_time_zone_of_a_pod(world: World, capsys: Output) -> None:
    call_command("pod", "time-zone", world.pod.slug, "Europe/Amsterdam")
    assert Pod.objects.get(pk=world.pod.pk).time_zone == "Europe/Amsterdam"
    call_command("pod", "show", world.pod.slug)
    assert "Europe/Amsterdam" in capsys.readouterr().out
    with pytest.raises(CommandError, match="time_zone"):
        call_command("pod", "time-zone", world.pod.slug, "Nowhere/Land")


def test_a_pod_may_begin_with_its_time_zone(db: None) -> None:
    call_command("pod", "add", "ams1", "--network", "10.98.0.0/24", "--time-zone", "Europe/Amsterdam")
    assert Pod.objects.get(slug="ams1").time_zone == "Europe/Amsterdam"
