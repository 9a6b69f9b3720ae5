"""`make up` on the pod in a box: a shell in a real accelerator, and nothing left afterwards."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.places import ROOT
from demo.tests.stand import Stand, free_port, wait_until
from lab.fixtures import skip_or_fail_unless_possible
from lab.pod import Pod

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One that is up, with images built once for all checkouts' runs."""
    skip_or_fail_unless_possible()
    before = os.environ.get("MCP_IMAGE_DIR")
    os.environ["MCP_IMAGE_DIR"] = before or str(ROOT / "var" / "images")
    stand = Stand(tmp_path_factory.mktemp("real"), free_port(), simulate=False)
    try:
        up = stand.up()
        assert up.returncode == 0, up.stdout + up.stderr
        yield stand
    finally:
        stand.demo("down", "--purge")
        if before is None:
            del os.environ["MCP_IMAGE_DIR"]


def ssh(stand: Stand, command: str) -> str:
    """As the README says: the key of mcp.env, root, the accelerator's address."""
    address = stand.call("GET", "/api/v1/accelerators/first")["addresses"][0]["address"]
    options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    run = subprocess.run(
        ["ssh", *options, "-o", "LogLevel=ERROR", "-i", stand.handover["MCP_SSH_KEY"], f"root@{address}", command],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def left_over(stand: Stand) -> list[str]:
    """Interfaces, loop devices and mounts of this stand's pod."""
    links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, check=True).stdout)
    found = [link["ifname"] for link in links if stand.places.lab_name in link["ifname"]]
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        if str(stand.var) in backing.read_text():
            found.append(backing.parts[3])
    return found + [line for line in Path("/proc/mounts").read_text().splitlines() if str(stand.var) in line]


def test_the_key_opens_a_shell_with_a_range_of_ids_of_its_own(stand: Stand) -> None:
    inside, outside, length = ssh(stand, "cat /proc/self/uid_map").split()
    assert (inside, length) == ("0", "65536")
    assert int(outside) >= 1_000_000
    assert ssh(stand, "hostname").strip() == "first"


def test_the_hosts_are_those_of_the_pod_in_a_box(stand: Stand) -> None:
    rows = json.loads(stand.manage("host", "list", "--json").stdout)
    pod = Pod.load(stand.places.lab_name, state_dir=stand.places.lab)
    assert {row["address"] for row in rows} == {f"{host.address}:22" for host in pod.hosts}
    assert {row["state"] for row in rows} == {"online"}


def test_a_changed_host_key_is_refused_in_one_sentence(stand: Stand) -> None:
    pod = Pod.load(stand.places.lab_name, state_dir=stand.places.lab)
    other = f"ssh-ed25519 {pod.hosts[1].host_key.split()[1]}"
    address = str(pod.hosts[0].address)
    add = stand.manage("host", "add", address, "--pod", "box", "--port", "22", "--host-key", other, "--yes")
    assert add.returncode == 1
    assert "host key" in add.stderr.lower()
    assert "Traceback" not in add.stderr


def test_down_leaves_nothing_and_up_brings_the_same_disk_back(stand: Stand) -> None:
    ssh(stand, "echo kept > /root/kept; sync")
    down = stand.demo("down")
    assert down.returncode == 0, down.stderr
    assert left_over(stand) == []
    up = stand.up()
    assert up.returncode == 0, up.stdout + up.stderr
    assert ssh(stand, "cat /root/kept") == "kept\n"
    assert stand.manage("doctor", "--only", "hosts").returncode == 0


def test_a_host_that_died_is_restarted_with_its_guests(stand: Stand) -> None:
    pod = Pod.load(stand.places.lab_name, state_dir=stand.places.lab)
    for host in pod.hosts:
        pod.stop_host(host.name)
    assert stand.up().returncode == 0
    assert wait_until(lambda: ssh(stand, "cat /root/kept"), 30, "the guest answers again") == "kept\n"
