"""Hosts restart, show another key, are taken out of service, and are cut off: what MCP notices, and what goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.pod import Pod as Lab
from lab.shell import run
from mcp.events.models import Event
from tests.caller import Caller, Json, address_of, answers
from tests.real_pod import RealPod
from tests.stack import Stack, until

pytestmark = [pytest.mark.lab, pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(300)]


def host(operator: Caller, name: str) -> Json:
    return operator.get(f"/operator/hosts/{name}")


def await_state(operator: Caller, name: str, state: str, *, within_s: float = 30) -> None:
    until(lambda: host(operator, name)["state"] == state, within_s=within_s, every_s=0.2, what=f"{name} {state}")


def told(kind: str, name: str) -> bool:
    """Whether operators were told of a host."""
    return Event.objects.filter(kind=kind, target_type="host", target_name=name).exists()


@contextmanager
def out_of_service(operator: Caller, name: str, duty: str = "maintenance") -> Iterator[None]:
    """A host that takes no newcomers, for a while."""
    operator.call("post", f"/operator/hosts/{name}/{duty}", {"reason": "scenario"}, expect=200)
    yield
    operator.call("post", f"/operator/hosts/{name}/resume", {}, expect=200)


@contextmanager
def another_host_key(lab: Lab, name: str, directory: Path) -> Iterator[None]:
    """The host is set up anew: same address, another key; afterwards it is what it was."""
    seed, kept = lab.state_dir / name / "seed", directory / "seed"
    shutil.copytree(seed, kept)
    lab.stop_host(name)
    try:
        for half in (seed / "host_key", seed / "host_key.pub"):
            half.unlink()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(seed / "host_key"))
        lab.start_host(name)
        yield
    finally:
        lab.stop_host(name)
        shutil.copytree(kept, seed, dirs_exist_ok=True)
        lab.start_host(name)


def test_a_maintenance_host_takes_no_newcomers(real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack) -> None:
    with out_of_service(operator, "h1"):
        rows = [customer.create(f"web-{number}") for number in range(3)]
        assert {operator.host_of(row) for row in rows} == {"h2"}
        with out_of_service(operator, "h2", duty="drain"):
            refused = customer.call("post", "/accelerators", {"name": "no", "plan": "zone-256m", "image": "busybox"}, expect=409)
            assert "2 not taking guests" in refused["detail"]
            assert all(answers(address_of(row)) for row in rows)  # who is there stays
    with out_of_service(operator, "h2"):  # or the image that h2 has by now would draw it there
        assert operator.host_of(customer.create("back")) == "h1"
    assert real_pod.disagreements() == []


def test_a_restarted_host_brings_its_running_guests_back(
    real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack
) -> None:
    with out_of_service(operator, "h2"):
        up, down = customer.create("up"), customer.create("down")
    customer.change("post", "/accelerators/down/stop")
    before = real_pod.pod.hosts.get(name="h1").boot_id
    real_pod.lab.restart_host("h1")
    until(lambda: told("host.restarted", "h1"), within_s=30, what="noticing the restart")
    assert real_pod.pod.hosts.get(name="h1").boot_id not in ("", before)
    until(lambda: answers(address_of(up)), within_s=30, what="the guest that ran")
    until(lambda: real_pod.disagreements() == [], within_s=30, every_s=0.5, what="rows and hosts agreeing")
    assert customer.get("/accelerators/up")["state"] == "running"
    assert customer.get("/accelerators/down")["state"] == "stopped"
    assert not answers(address_of(down))
    assert customer.change("post", "/accelerators/down/start")["state"] == "running"
    until(lambda: answers(address_of(down)), within_s=30, what="the guest that was started")


def test_another_host_key_is_refused(real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack, tmp_path: Path) -> None:
    with out_of_service(operator, "h2"):
        kept = customer.create("kept")
    pinned = host(operator, "h1")["host_key"]
    with another_host_key(real_pod.lab, "h1", tmp_path):
        await_state(operator, "h1", "unreachable")
        # While its sshd starts again, connections are refused for a moment.
        until(lambda: host(operator, "h1")["last_error"].startswith("gear.host_key_changed: "), within_s=30, what="the other key")
        said = host(operator, "h1")["last_error"]
        assert "was pinned when it was enrolled" in said
        assert operator.call("post", "/operator/hosts/h1/probe", {}, expect=502)["code"] == "gear.host_key_changed"
        assert host(operator, "h1")["host_key"] == pinned

        other = customer.create("other")  # nothing else breaks
        assert operator.host_of(other) == "h2"
        assert customer.get("/accelerators/kept")["name"] == "kept"
        waiting = customer.call("post", "/accelerators/kept/stop", {}, expect=202)["operation"]["id"]
        assert customer.get(f"/operations/{waiting}")["state"] in ("queued", "running")
    await_state(operator, "h1", "online", within_s=60)
    until(lambda: customer.get(f"/operations/{waiting}")["state"] == "succeeded", within_s=60, every_s=0.2, what="the stop")
    assert customer.get(f"/accelerators/{kept['id']}")["state"] == "stopped"
    assert real_pod.disagreements() == []


def test_operations_on_a_host_that_was_cut_off_go_on_after_it_heals(
    real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack
) -> None:
    with out_of_service(operator, "h2"):
        here, there = customer.create("stop-me"), customer.create("delete-me")
    real_pod.lab.cut_host("h1")
    try:
        await_state(operator, "h1", "unreachable", within_s=60)
        assert told("host.unreachable", "h1")
        asked = [
            customer.call("post", f"/accelerators/{here['id']}/stop", {}, expect=202),
            customer.call("delete", f"/accelerators/{there['id']}?now=true", expect=202),
        ]
        assert operator.host_of(customer.create("elsewhere")) == "h2"
        operations = [row["operation"]["id"] for row in asked]
        states = [customer.get(f"/operations/{key}")["state"] for key in operations]
        assert set(states) <= {"queued", "running"}, states
    finally:
        real_pod.lab.heal_host("h1")
    await_state(operator, "h1", "online", within_s=60)
    assert told("host.online", "h1")

    def all_done() -> bool:
        return all(customer.get(f"/operations/{key}")["state"] == "succeeded" for key in operations)

    until(all_done, within_s=60, every_s=0.2, what="what waited for the host")
    assert customer.get(f"/accelerators/{here['id']}")["state"] == "stopped"
    customer.get(f"/accelerators/{there['id']}", expect=410)
    assert real_pod.disagreements() == []
