"""Images boot, for real, as unprivileged zones on the pod in a box."""

from __future__ import annotations

import subprocess
import time

import pytest

from lab.guests import make_guest
from lab.pod import Pod
from pods.images.builder import build
from pods.images.store import directory_from_environment

pytestmark = pytest.mark.lab

BASE = "/var/lib/mcp/store"
LISTENING = "p=$(lxc-info -pHn $0); grep -q ':0016 00000000:0000 0A' /proc/$p/net/tcp"


def ssh(pod: Pod, address: str, command: str) -> str:
    """Log into a guest with the lab's key; the host key is new, so any will do."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    line = ["ssh", "-F", "none", "-i", str(pod.ssh_key_path), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *options]
    done = subprocess.run([*line, f"root@{address}", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_listening(pod: Pod, host: str, name: str, timeout_s: float = 10.0) -> float:
    """Seconds until port 22 listens in the guest, looked at from its host: no packet is lost to address resolution."""
    began = time.monotonic()
    loop = f'until sh -c "{LISTENING.replace("$", chr(92) + "$")}" {name}; do sleep 0.01; done'
    pod.exec(host, "timeout", str(timeout_s), "sh", "-c", loop)
    return time.monotonic() - began


def restart(pod: Pod, host: str, name: str) -> float:
    """Stop and start by hand; seconds from the start until port 22 listens."""
    pod.exec(host, "lxc-stop", "-t", "10", "-n", name)
    pod.exec(host, "lxc-start", "-n", name)
    return wait_listening(pod, host, name)


@pytest.mark.parametrize(("slug", "offset", "limit_s"), [("busybox", 51, 1.0), ("debian-12", 52, 3.0)])
class TestBoot:
    @pytest.fixture
    def guest(self, pod_in_a_box: Pod, slug: str, offset: int) -> str:
        """The guest's name; made by the first test that asks, kept for the next."""
        name = f"boot-{slug}"
        if name not in pod_in_a_box.exec("h1", "lxc-ls", "-1"):
            image = build(slug, directory_from_environment())
            make_guest(pod_in_a_box, "h1", name, offset, image.path)
            wait_listening(pod_in_a_box, "h1", name)
        return name

    def test_root_logs_in_by_key(self, pod_in_a_box: Pod, guest: str, offset: int, limit_s: float) -> None:
        said = ssh(pod_in_a_box, str(pod_in_a_box.subnet[offset]), "id -u; hostname; head -1 /proc/self/uid_map")
        assert said.split() == ["0", guest, "0", str(1_000_000 + offset * 65536), "65536"]

    def test_it_boots_and_stops_fast(self, pod_in_a_box: Pod, guest: str, offset: int, limit_s: float) -> None:
        assert restart(pod_in_a_box, "h1", guest) < limit_s

    def test_the_host_key_is_its_own_and_stays(self, pod_in_a_box: Pod, guest: str, offset: int, limit_s: float) -> None:
        def key() -> str:
            scan = ["ssh-keyscan", "-T", "5", "-t", "ed25519", str(pod_in_a_box.subnet[offset])]
            return subprocess.run(scan, capture_output=True, text=True, timeout=15, check=True).stdout

        before = key()
        assert "ssh-ed25519" in before
        restart(pod_in_a_box, "h1", guest)
        assert key() == before

    def test_the_customers_script_runs_once(self, pod_in_a_box: Pod, guest: str, offset: int, limit_s: float) -> None:
        state = f"{BASE}/{guest}/var/lib/mcp"
        pod_in_a_box.exec("h1", "sh", "-c", f"cat >{state}/user-script", stdin="echo hello from $(id -u)\nexit 3\n")
        restart(pod_in_a_box, "h1", guest)
        wait = f"until [ -e {state}/first-boot.exit ]; do sleep 0.05; done"
        pod_in_a_box.exec("h1", "timeout", "10", "sh", "-c", wait)
        assert pod_in_a_box.exec("h1", "cat", f"{state}/first-boot.exit", f"{state}/first-boot.log") == "3\nhello from 0\n"
        pod_in_a_box.exec("h1", "sh", "-c", f": >{state}/first-boot.log")
        restart(pod_in_a_box, "h1", guest)
        assert pod_in_a_box.exec("h1", "cat", f"{state}/first-boot.log") == ""

    def test_nothing_failed_while_booting(self, pod_in_a_box: Pod, guest: str, offset: int, limit_s: float) -> None:
        if guest == "boot-debian-12":
            said = ssh(pod_in_a_box, str(pod_in_a_box.subnet[offset]), "systemctl is-system-running --wait; systemctl --failed")
            assert said.startswith("running\n"), said
