"""The first path of a customer: ask for a Debian machine, log in, lean on its walls, live with it, and get rid of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.pod import Pod as Lab
from tests.caller import Caller, Door, Json, address_of, answers, new_key
from tests.leftovers import LOOK, leftovers
from tests.real_pod import RealPod, make_real_pod
from tests.stack import Stack, until

pytestmark = [pytest.mark.lab, pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(300)]

MEMORY_MIB = 192
PROCESSES = 96
TINY = {
    "slug": "zone-tiny", "name": "Tiny", "memory_mib": MEMORY_MIB, "vcpus": "1", "disk_gib": 1, "processes": PROCESSES,
    "price_hourly": "0.01", "price_monthly": "5", "price_yearly": "50",
}  # fmt: skip
SCRIPT = """#!/bin/sh
echo "greetings from $(id -un) on $(hostname)"
cat >/etc/systemd/system/count-boots.service <<END
[Unit]
Description=Count the boots
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo boot >>/var/lib/boots'
[Install]
WantedBy=multi-user.target
END
systemctl enable --now count-boots
exit 3
"""
# Forks 300 children, says how many forks were refused, and keeps the others until its input ends.
BOMB = """perl -e '
$| = 1;
for (1 .. 300) { $p = fork; if (!defined $p) { $no++ } elsif ($p) { push @p, $p } else { sleep 60; exit } }
print "refused $no\\n"; <STDIN>; kill 9, @p'"""


@pytest.fixture
def real_pod(transactional_db: None, lab: Lab) -> Iterator[RealPod]:
    """With Debian."""
    pod = make_real_pod(lab, images=("debian-12",))
    yield pod
    pod.clear()


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, str]:
    """The customer's own key pair."""
    return new_key(tmp_path)


def make(customer: Caller, key: tuple[Path, str], name: str, **wish: Any) -> tuple[Json, Door]:
    """A running Debian machine and the door into it."""
    row = customer.create(name, **{"image": "debian-12", "ssh_keys": [key[1]], **wish})
    door = Door(address_of(row), key[0])
    door.await_open()
    return row, door


def started(door: Door) -> str:
    """When its init started, in ticks; another number after every boot."""
    done = door.attempt("cut -d' ' -f22 /proc/1/stat")
    return done.stdout.strip() if done.returncode == 0 else ""


def await_boot(door: Door, before: str) -> None:
    until(lambda: started(door) not in ("", before), within_s=30, what=f"another boot of {door.address}")


@contextmanager
def bomb(door: Door) -> Iterator[int]:
    """A fork bomb at work inside; answers how many of its forks were refused."""
    process = subprocess.Popen(door.command(BOMB), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline().split()[1])
        process.stdin.close()
        process.wait(30)
    finally:
        process.kill()
        process.wait(10)


def test_the_walls_of_a_guest_hold(
    real_pod: RealPod, customer: Caller, operator: Caller, stack: Stack, key: tuple[Path, str]
) -> None:
    operator.call("post", "/operator/plans", TINY, expect=201)
    operator.call("post", "/operator/hosts/h2/maintenance", {}, expect=200)  # so that both share one host
    _, door = make(customer, key, "tenant", plan="zone-tiny")
    _, neighbour = make(customer, key, "neighbour")

    ranges = [tuple(map(int, each.run("cat /proc/self/uid_map").split())) for each in (door, neighbour)]
    assert [(inside, size) for inside, _, size in ranges] == [(0, 65536)] * 2
    assert all(outside >= 1_000_000 for _, outside, _ in ranges)
    assert abs(ranges[0][1] - ranges[1][1]) >= 65536

    memory = door.attempt(f"perl -e '$x = \"x\" x ({2 * MEMORY_MIB} << 20); print length $x'")
    assert memory.returncode != 0
    assert memory.stdout == ""
    assert door.run(f"perl -e '$x = \"x\" x ({MEMORY_MIB // 4} << 20); print length $x'") == str(MEMORY_MIB // 4 << 20)

    disk = door.attempt("dd if=/dev/zero of=/root/big bs=1M count=1200", within_s=120)
    assert disk.returncode != 0
    assert "quota exceeded" in disk.stderr or "No space left" in disk.stderr, disk.stderr
    door.run("rm -f /root/big")

    with bomb(door) as refused:
        assert refused >= 300 - PROCESSES
        assert neighbour.run("hostname") == "neighbour"
        assert real_pod.lab.exec("h1", "echo", "here").strip() == "here"
        assert customer.get("/accelerators/neighbour")["state"] == "running"
    door.await_open()
    assert door.run("hostname") == "tenant"


def test_a_reboot_from_inside_keeps_what_the_user_script_made(
    real_pod: RealPod, customer: Caller, stack: Stack, key: tuple[Path, str]
) -> None:
    row, door = make(customer, key, "web", user_script=SCRIPT)
    lab = real_pod.lab
    assert door.run("hostname") == "web"
    assert door.run("cat /etc/resolv.conf").splitlines() == [f"nameserver {address}" for address in lab.resolvers]
    assert f" {address_of(row)}/{lab.subnet.prefixlen} " in door.run("ip -4 -o address show dev eth0")
    assert door.run("ip route show default").split()[2] == str(lab.gateway)

    ended = "/accelerators/web/timeline?kind=accelerator.first_boot"
    until(lambda: bool(customer.get(ended)["results"]), within_s=30, every_s=0.3, what="the end of the user script")
    event = customer.get(ended)["results"][0]
    assert event["data"]["exit_code"] == 3
    assert "greetings from root on web" in event["data"]["output"]
    assert customer.get("/accelerators/web")["first_boot_exit"] == 3

    before = started(door)
    door.attempt("systemctl reboot")
    await_boot(door, before)
    assert door.run("stat -c %u:%g /etc/passwd /root /usr/bin/dpkg").split() == ["0:0"] * 3
    until(lambda: door.attempt("systemctl is-active count-boots").returncode == 0, within_s=20, what="the enabled service")
    assert door.run("cat /var/lib/boots").split() == ["boot"] * 2  # and the user script did not run again
    until(lambda: customer.get("/accelerators/web")["power"]["observed"] == "running", within_s=20, every_s=0.3)
    until(lambda: customer.get("/accelerators/web")["state"] == "running", within_s=20, every_s=0.3)
    assert real_pod.disagreements() == []


def test_the_whole_life_of_a_machine(real_pod: RealPod, customer: Caller, stack: Stack, key: tuple[Path, str]) -> None:
    row, door = make(customer, key, "web")
    door.run("echo precious >/root/data")
    seen = {line.split(": ")[1] for line in leftovers(real_pod.lab)}
    assert seen == set(LOOK)  # the look sees a guest in every place where one leaves something

    stopped = customer.change("post", "/accelerators/web/stop")
    assert (stopped["state"], stopped["power"]["observed"]) == ("stopped", "stopped")
    assert not answers(door.address)
    assert customer.change("post", "/accelerators/web/start")["state"] == "running"
    door.await_open()

    before = started(door)
    assert customer.call("patch", "/accelerators/web", {"name": "shop"}, expect=200)["name"] == "shop"
    assert door.run("hostname") == "web"  # until the next start
    assert customer.change("post", "/accelerators/shop/restart")["state"] == "running"
    await_boot(door, before)
    assert door.run("hostname; cat /etc/hostname").split() == ["shop", "shop"]

    trashed = customer.change("delete", "/accelerators/shop")
    assert trashed["state"] == "trashed"
    assert trashed["trash_until"]
    assert [each["name"] for each in customer.get("/accelerators?state=trashed")["results"]] == ["shop"]
    assert customer.get("/accelerators")["results"] == []
    assert not answers(door.address)
    assert customer.change("post", "/accelerators/shop/undelete")["state"] == "running"
    door.await_open()
    assert door.run("cat /root/data") == "precious"

    assert customer.change("delete", "/accelerators/shop?now=true")["state"] == "deleted"
    for ref in (row["id"], "shop"):
        gone = customer.get(f"/accelerators/{ref}", expect=410)
        assert gone["last_known"]["name"] == "shop"
        assert gone["last_known"]["addresses"] == [door.address]
    assert real_pod.on_hosts() == {}
    assert leftovers(real_pod.lab) == []
    assert real_pod.disagreements() == []
