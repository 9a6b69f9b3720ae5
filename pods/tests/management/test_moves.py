"""`host evacuate`, `pod rebalance`, `moves` and `maintenance` on the command line."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accelerators.testing.world import World
from accounts.actor import system
from pods.models import Host, MaintenanceWindow, MoveRun
from pods.services.evacuate import evacuate
from pods.services.move_words import present_run, runs
from pods.tests.services.test_evacuate import carry_on, full_host

Output = pytest.CaptureFixture[str]
pytestmark = pytest.mark.django_db


def test_the_plan_is_shown_first_and_begun_only_with_yes(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    host = full_host(world, 2)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115  (closed with the process)
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("host", "evacuate", "h1")
    shown = capsys.readouterr().out
    assert "Evacuation of h1: 0 of 2 moved; at most" in shown
    assert "web-0" in shown
    assert "[#" in shown or "[." in shown
    assert not MoveRun.objects.exists()
    call_command("host", "evacuate", "h1", "--yes", "--parallel", "1", "--reason", "new fans")
    run = MoveRun.objects.get()
    assert (run.host, run.parallel, run.reason) == (host, 1, "new fans")
    assert str(run.pk) in capsys.readouterr().out


def test_a_dry_run_says_what_the_service_then_does(world: World, capsys: Output) -> None:
    host = full_host(world, 2)
    call_command("host", "evacuate", "h1", "--dry-run", "--json")
    dry = json.loads(capsys.readouterr().out)
    assert not MoveRun.objects.exists()
    real = present_run(runs().get(pk=evacuate(actor=system(), host=host).pk))
    assert [(move["name"], move["target"]) for move in dry["moves"]] == [(m["name"], m["target"]) for m in real["moves"]]
    assert dry["picture"] == real["picture"]


def test_who_stays_is_named_with_the_reason(world: World, capsys: Output) -> None:
    full_host(world, 1)
    Host.objects.filter(name="h2").update(cap_memory_mib=0)
    call_command("host", "evacuate", "h1", "--yes")
    out = capsys.readouterr().out
    assert "web-0 stays on h1: It must stay in pod" in out
    assert "short of memory" in out


def test_rebalance(world: World, capsys: Output) -> None:
    full_host(world, 4)
    call_command("pod", "rebalance", world.pod.slug, "--dry-run")
    assert "nothing to move" in capsys.readouterr().out
    call_command("pod", "rebalance", world.pod.slug, "--minimum-gain", "0.001", "--yes", "--json")
    assert json.loads(capsys.readouterr().out)["counts"]["planned"] == 2
    with pytest.raises(CommandError, match=r"0\.001 to 1"):
        call_command("pod", "rebalance", world.pod.slug, "--minimum-gain", "7")


def test_list_show_and_steer(world: World, capsys: Output) -> None:
    run = evacuate(actor=system(), host=full_host(world, 2))
    call_command("moves", "pause", str(run.pk))
    assert "is paused" in capsys.readouterr().out
    call_command("moves", "list", "--live")
    assert "0 of 2 moved" in capsys.readouterr().out
    call_command("moves", "resume", str(run.pk))
    carry_on(run)
    capsys.readouterr()
    call_command("moves", "show", str(run.pk))
    assert "2 of 2 moved." in capsys.readouterr().out
    call_command("moves", "show", str(run.pk), "--json")
    assert json.loads(capsys.readouterr().out)["counts"]["moved"] == 2
    call_command("moves", "list", "--live")
    assert "There is no run" in capsys.readouterr().out
    with pytest.raises(CommandError, match="cannot become aborting"):
        call_command("moves", "abort", str(run.pk))
    with pytest.raises(CommandError, match="no run"):
        call_command("moves", "show", str(uuid4()))


def test_windows(world: World, capsys: Output) -> None:
    at = timezone.now() + timedelta(days=1)
    times = ("--from", f"{at:%Y-%m-%dT%H:%M}", "--until", (at + timedelta(hours=1)).isoformat())
    call_command("maintenance", "plan", "--pod", world.pod.slug, *times, "--reason", "New switch.")
    window = MaintenanceWindow.objects.get()
    assert (window.host, window.starts_at) == (None, at.replace(second=0, microsecond=0))
    with pytest.raises(CommandError, match="overlaps"):
        call_command("host", "maintenance", "h1", *times, "--reason", "New fans.")
    capsys.readouterr()
    call_command("maintenance", "list")
    assert "New switch." in capsys.readouterr().out
    call_command("maintenance", "cancel", str(window.pk))
    call_command("host", "maintenance", "h1", *times, "--reason", "New fans.")
    assert MaintenanceWindow.objects.get(state="planned").host == Host.objects.get(name="h1")
    assert Host.objects.get(name="h1").duty == "active"
    capsys.readouterr()
    call_command("maintenance", "list", "--all", "--json")
    assert [row["state"] for row in json.loads(capsys.readouterr().out)] == ["planned", "cancelled"]
    with pytest.raises(CommandError, match="is no time"):
        call_command("host", "maintenance", "h1", "--from", "soon", "--until", "later", "--reason", "x")
    with pytest.raises(CommandError, match="no window"):
        call_command("maintenance", "cancel", str(uuid4()))
