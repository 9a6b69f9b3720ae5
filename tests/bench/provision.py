"""provision.overhead and provision.burst: from POST until guests answer on port 22, beside the same work by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import call_command

from lab.pod import Pod as Lab
from pods.gear.transport import Command, SshRunner, SshTarget
from pods.models import Host, Image
from tests.bench.place import Api, reachable, serving
from tests.bench.results import Result, of_times
from tests.real_pod import RealPod, make_real_pod
from tests.stack import until

ROUNDS = 12
BURST = 20
SCRIPT = Path(__file__).with_name("by-hand.sh")
KEY = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def run(directory: Path) -> list[Result]:
    """Both figures, on one pod in a box of two hosts with Debian's own init in the guests."""
    call_command("flush", interactive=False, verbosity=0)
    with _lab(directory) as lab:
        pod = make_real_pod(lab, images=("debian-12",))
        image = Image.objects.get(slug="debian-12")
        with serving(pod.account, pod.user, directory=directory) as api:
            hand = ByHand(pod, image)
            _warm(pod, api, hand)
            return [_overhead(pod, api, hand), _burst(pod, api, hand)]


@contextmanager
def _lab(directory: Path) -> Iterator[Lab]:
    state = directory / "lab"
    lab = Lab.up("bench", hosts=2, store_gib=40, state_dir=state)
    try:
        yield lab
    finally:
        Lab.down("bench", state_dir=state)


class ByHand:
    """Guests made by a shell script over open SSH connections, one a host."""

    def __init__(self, pod: RealPod, image: Image) -> None:
        self.pod = pod
        key = Path(pod.lab.ssh_key_path).read_text()
        self.runners = [
            SshRunner(SshTarget(str(host.address), host.port, host.user, host.host_key, key)) for host in pod.lab.hosts
        ]
        self.image = image
        self.subvolume = ""
        for runner in self.runners:
            runner.run(Command("sh", "-c", "cat >/run/by-hand.sh"), timeout_s=10, stdin=SCRIPT.read_bytes(), mutating=True)

    def find_image(self) -> None:
        """The unpacked image that MCP left in the hosts' stores serves the hand, too."""
        found = self.runners[0].run(
            Command("sh", "-c", "find /var/lib/mcp/store -maxdepth 3 -type d -name 'debian-12-*' | head -n 1"),
            timeout_s=10, mutating=False,
        )  # fmt: skip
        self.subvolume = found.text.strip()
        assert self.subvolume, "no unpacked image on the host"

    def make(self, number: int, host: int) -> str:
        """One guest, until its port answers; answers its address."""
        network = self.pod.lab.subnet
        address = str(network[network.num_addresses - 3 - number])
        command = Command(
            "sh", "/run/by-hand.sh", "make", self.subvolume, f"hand{number}", f"{address}/{network.prefixlen}",
            str(self.pod.lab.gateway), str(9000 + number), "22", KEY,
        )  # fmt: skip
        done = self.runners[host].run(command, timeout_s=60, mutating=True)
        assert done.exit_code == 0, done
        reachable(address, 22)
        return address

    def drop(self, number: int, host: int) -> None:
        """Remove it again."""
        self.runners[host].run(Command("sh", "/run/by-hand.sh", "drop", f"hand{number}"), timeout_s=60, mutating=True)


def _warm(pod: RealPod, api: Api, hand: ByHand) -> None:
    """Images on both hosts, connections open, code loaded: both sides are measured warm."""
    created = _post(api, "warm", 2)
    _settled(api, created)
    hand.find_image()
    for host in (0, 1):
        hand.make(host, host)
        hand.drop(host, host)
    _remove(api, created)


def _post(api: Api, name: str, count: int, wait: int = 60) -> list[dict[str, Any]]:
    body = {"name": name, "plan": "zone-256m", "image": "debian-12", "ssh_keys": [KEY], "count": count}
    answer = api.client.post("/accelerators", json=body, headers={"Prefer": f"wait={wait}"})
    answer.raise_for_status()
    found = answer.json()
    return list(found["results"]) if count > 1 else [found]


def _settled(api: Api, created: list[dict[str, Any]]) -> None:
    for row in created:
        until(partial(_is_running, api, row["id"]), what=row["name"])


def _is_running(api: Api, accelerator_id: str) -> bool:
    state: str = api.client.get(f"/accelerators/{accelerator_id}").json()["state"]
    return state == "running"


def _is_gone(api: Api, accelerator_id: str) -> bool:
    return api.client.get(f"/accelerators/{accelerator_id}").status_code == 410


def _remove(api: Api, created: list[dict[str, Any]]) -> None:
    for row in created:
        api.client.delete(f"/accelerators/{row['id']}?now=true").raise_for_status()
    for row in created:
        until(partial(_is_gone, api, row["id"]), what=f"end of {row['name']}")


def _overhead(pod: RealPod, api: Api, hand: ByHand) -> Result:
    """In turns, so that both see the same machine."""
    ours, theirs = [], []
    for number in range(ROUNDS):
        began = time.monotonic()
        (row,) = _post(api, f"one{number}", 1)
        ours.append(reachable(row["addresses"][0]["address"], 22) - began)
        _remove(api, [row])
        began = time.monotonic()
        hand.make(number, number % 2)
        theirs.append(time.monotonic() - began)
        hand.drop(number, number % 2)
    return of_times("provision.overhead", ours, theirs, goal=1.5, note="POST until port 22 answers, over the same by hand")


def _burst(pod: RealPod, api: Api, hand: ByHand) -> Result:
    ours, theirs = [], []
    for turn in range(3):
        began = time.monotonic()
        created = _post(api, f"burst{turn}", BURST)
        last = max(reachable(row["addresses"][0]["address"], 22) for row in created)
        ours.append(last - began)
        _remove(api, created)
        began = time.monotonic()
        with ThreadPoolExecutor(8) as hands:
            list(hands.map(lambda number: hand.make(number, number % 2), range(BURST)))
        theirs.append(time.monotonic() - began)
        for number in range(BURST):
            hand.drop(number, number % 2)
    assert Host.objects.count() == len(hand.runners)
    return of_times("provision.burst", ours, theirs, goal=1.5, note=f"{BURST} in one request, over 8 shells side by side")
