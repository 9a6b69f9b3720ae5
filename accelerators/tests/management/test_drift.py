"""`manage.py drift` and `manage.py reconcile`."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accelerators.models import Accelerator
from accelerators.testing.world import World
from mcp.testing.drain import drain
from pods.models import DriftFinding

Output = pytest.CaptureFixture[str]


@pytest.fixture
def stopped_by_hand(world: World) -> Accelerator:
    """A guest that somebody stopped on its host."""
    guest = world.running()
    assert guest.host is not None
    world.host(guest.host.name).stop_guest(str(guest.pk))
    call_command("reconcile")
    return guest


def test_reconcile_prints_findings_a_host(stopped_by_hand: Accelerator, capsys: Output) -> None:
    capsys.readouterr()
    call_command("reconcile", "--json")
    results = {result["host"]: result["findings"] for result in json.loads(capsys.readouterr().out)}
    assert stopped_by_hand.host is not None
    assert [finding["kind"] for finding in results.pop(stopped_by_hand.host.name)] == ["power"]
    assert list(results.values()) == [[]]


def test_reconcile_of_a_silent_host_fails_after_looking_at_the_rest(world: World, capsys: Output) -> None:
    world.host("h1").go_down()
    with pytest.raises(CommandError, match="No answer from h1"):
        call_command("reconcile")
    assert "h2: 0 open findings" in capsys.readouterr().out
    call_command("reconcile", "h2")


def test_restore_starts_it_again(stopped_by_hand: Accelerator, capsys: Output) -> None:
    finding = DriftFinding.objects.get(state="open")
    call_command("drift", "list")
    assert str(finding.pk) in capsys.readouterr().out
    call_command("drift", "restore", str(finding.pk))
    assert "carries it out" in capsys.readouterr().out
    drain()
    stopped_by_hand.refresh_from_db()
    assert stopped_by_hand.state == "running"
    with pytest.raises(CommandError, match="restored already"):
        call_command("drift", "ignore", str(finding.pk))


def test_adopt_makes_it_the_wish(stopped_by_hand: Accelerator) -> None:
    call_command("drift", "adopt", str(DriftFinding.objects.get(state="open").pk))
    stopped_by_hand.refresh_from_db()
    assert (stopped_by_hand.power_wanted, stopped_by_hand.state) == ("stopped", "stopped")


def test_ignored_findings_leave_the_open_list(world: World, capsys: Output) -> None:
    world.host("h1").create_foreign("by-hand")
    call_command("reconcile", "h1")
    finding = DriftFinding.objects.get(state="open")
    with pytest.raises(CommandError, match="cannot be adopted"):
        call_command("drift", "adopt", str(finding.pk))
    call_command("drift", "ignore", str(finding.pk))
    capsys.readouterr()
    call_command("drift", "list")
    assert "No finding is open" in capsys.readouterr().out
    call_command("drift", "list", "--state", "ignored", "--json")
    assert [row["guest"] for row in json.loads(capsys.readouterr().out)] == ["by-hand"]
