"""`manage.py host`, against a simulated pod."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accelerators.testing.world import World
from accounts.actor import system
from pods.gear.errors import GearUnreachable
from pods.gear.hypervisor.base import HostFacts, Missing
from pods.gear.simulated import SimulatedHypervisor
from pods.models import Host
from pods.services.enrol import NetworkWish, add_pod
from pods.services.find import find_host
from pods.states import HostDuty

Output = pytest.CaptureFixture[str]


def add(world: World, name: str = "h9", *extra: str) -> None:
    """Enrol a simulated host without being asked."""
    world.simulated.add_host(name, memory_mib=8192)
    option = f"pod={Host.objects.get(name='h1').options['pod']}"
    call_command(
        "host", "add", name, "--pod", world.pod.slug, "--name", name, "--driver", "simulated", "--option", option, *extra
    )  # fmt: skip


def test_add_shows_what_was_found_and_enrols(world: World, capsys: Output) -> None:
    add(world, "h9", "--yes")
    out = capsys.readouterr().out
    for word in ("processors", "memory", "8192 MiB", "cgroup version", "clock skew", "Enrolled h9"):
        assert word in out
    assert Host.objects.get(name="h9").cap_memory_mib == 8192 - world.pod.reserve_memory_mib


def test_add_without_yes_and_without_a_terminal_enrols_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115  (closed with the process)
    with pytest.raises(CommandError, match="Not enrolled"):
        add(world)
    assert not Host.objects.filter(name="h9").exists()


def test_an_unusable_machine_is_refused_with_each_reason(world: World, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    probe = SimulatedHypervisor.probe

    def lacking(self: SimulatedHypervisor) -> HostFacts:
        missing = (Missing("lxc-start", "apt-get install lxc", True), Missing("btrfs", "slower clones without", False))
        return replace(probe(self), missing=missing)

    monkeypatch.setattr(SimulatedHypervisor, "probe", lacking)
    with pytest.raises(CommandError, match="apt-get install lxc"):
        add(world, "h9", "--yes")
    out = capsys.readouterr().out
    assert "MISSING       lxc-start" in out
    assert "missing       btrfs" in out
    assert not Host.objects.filter(name="h9").exists()


def test_a_machine_that_does_not_answer_is_one_sentence(world: World) -> None:
    world.simulated.add_host("h9").fail_next("probe", GearUnreachable)
    with pytest.raises(CommandError, match="does not answer"):
        add(world, "h9", "--yes")


def test_list_probe_and_duties(world: World, capsys: Output) -> None:
    call_command("host", "list", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [(row["host"], row["state"]) for row in rows] == [("h1", "online"), ("h2", "online")]
    call_command("host", "probe", "h1", "--json")
    assert json.loads(capsys.readouterr().out)["cpus"] == 16
    for verb, duty in (("drain", "draining"), ("maintenance", "maintenance"), ("resume", "active")):
        call_command("host", verb, "h1", "--reason", "a new fan")
        host = Host.objects.get(name="h1")
        assert (host.duty, host.duty_reason) == (duty, "a new fan")


def test_retire_needs_an_empty_host_that_was_drained(world: World) -> None:
    guest = world.running()
    assert guest.host is not None
    with pytest.raises(CommandError, match="active cannot go to retired"):
        call_command("host", "retire", guest.host.name)
    call_command("host", "drain", guest.host.name)
    with pytest.raises(CommandError, match="still holds 1 guests"):
        call_command("host", "retire", guest.host.name)
    other = "h2" if guest.host.name == "h1" else "h1"
    call_command("host", "drain", other)
    call_command("host", "retire", other)
    assert Host.objects.get(name=other).duty == HostDuty.RETIRED


def test_hosts_of_one_name_are_told_apart_by_pod(world: World) -> None:
    add_pod(actor=system(), slug="other", network=NetworkWish("10.98.0.0/24"))
    option = f"pod={Host.objects.get(name='h1').options['pod']}"
    call_command(
        "host", "add", "h1", "--pod", "other", "--name", "h1", "--port", "1", "--driver", "simulated", "--option", option, "--yes"
    )  # fmt: skip
    with pytest.raises(CommandError, match="say which"):
        call_command("host", "drain", "h1")
    assert find_host("other/h1").pod.slug == "other"


def test_options_must_be_pairs(world: World) -> None:
    with pytest.raises(CommandError, match="NAME=VALUE"):
        call_command("host", "add", "x", "--pod", world.pod.slug, "--driver", "simulated", "--option", "store", "--yes")
