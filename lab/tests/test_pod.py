"""The pod in a box, for real: built, used, hurt, and gone without a trace."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import ipaddress
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from lab import cgroups, host, network
from lab.errors import LabError
from lab.fixtures import PodFactory, skip_or_fail_unless_possible, unique_name
from lab.guests import make_guest
from lab.pod import Pod
from lab.tests.looking import NOTHING, all_namespaces, namespaces, pings, traces, wait_for

pytestmark = pytest.mark.lab


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A name and a state directory of the test's own; whatever stands there afterwards is taken down."""
    skip_or_fail_unless_possible()
    name = unique_name()
    yield name, tmp_path / name
    Pod.down(name, state_dir=tmp_path / name)


def connect(pod: Pod, name: str) -> paramiko.SSHClient:
    """Paramiko as the control plane uses it: no key but the pinned one."""
    target = pod.host(name)
    kind, text = target.host_key.split()
    client = paramiko.SSHClient()
    client.get_host_keys().add(target.address, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(text)))
    client.connect(target.address, username="root", key_filename=str(pod.ssh_key_path), allow_agent=False, timeout=10)
    return client


def output(client: paramiko.SSHClient, command: str) -> str:
    _, stdout, _ = client.exec_command(command, timeout=10)
    return stdout.read().decode().strip()


class TestHosts:
    def test_ssh_with_the_pinned_key_reaches_each_host(self, pod_in_a_box: Pod) -> None:
        for target in pod_in_a_box.hosts:
            with connect(pod_in_a_box, target.name) as client:
                assert output(client, "hostname") == target.name
                assert "/var/lib/mcp/store" in output(client, "cat /proc/mounts")

    def test_another_host_key_is_refused(self, pod_in_a_box: Pod) -> None:
        first, second = pod_in_a_box.hosts[:2]
        kind, text = second.host_key.split()
        client = paramiko.SSHClient()
        client.get_host_keys().add(first.address, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(text)))
        with pytest.raises(paramiko.BadHostKeyException):
            client.connect(first.address, username="root", key_filename=str(pod_in_a_box.ssh_key_path), timeout=10)

    def test_hosts_share_no_state(self, pod_in_a_box: Pod) -> None:
        for directory in ("/var/lib/lxc", "/var/lib/mcp", "/var/lib/mcp/store", "/run", "/tmp", "/etc", "/root", "/usr/share"):
            pod_in_a_box.exec("h1", "touch", f"{directory}/only-here")
            assert "only-here" not in pod_in_a_box.exec("h2", "ls", directory)
            assert not Path(directory, "only-here").exists()
            pod_in_a_box.exec("h1", "rm", f"{directory}/only-here")

    def test_the_machine_asks_quickly_for_a_guest_that_just_came(self, pod_in_a_box: Pod) -> None:
        """A connection attempted before a guest is there goes through soon after it is, not a second later."""
        settings = Path("/proc/sys/net/ipv4/neigh") / f"mcp-{pod_in_a_box.name}"
        assert int((settings / "retrans_time_ms").read_text()) <= 100

    def test_hosts_see_only_their_own_processes_and_cgroups(self, pod_in_a_box: Pod) -> None:
        assert "host-init.sh" in pod_in_a_box.exec("h1", "cat", "/proc/1/cmdline")
        assert "mcp-lab." not in pod_in_a_box.exec("h1", "sh", "-c", "ls /sys/fs/cgroup /sys/fs/cgroup/*")

    def test_the_store_has_quotas(self, pod_in_a_box: Pod) -> None:
        store = "/var/lib/mcp/store"
        pod_in_a_box.exec("h1", "sh", "-ec", f"btrfs subvolume create {store}/q; btrfs qgroup limit 16M {store}/q")
        with pytest.raises(LabError, match="quota"):
            pod_in_a_box.exec("h1", "dd", "if=/dev/urandom", f"of={store}/q/big", "bs=1M", "count=32")
        pod_in_a_box.exec("h1", "btrfs", "subvolume", "delete", f"{store}/q")

    def test_a_command_that_fails_says_so(self, pod_in_a_box: Pod) -> None:
        with pytest.raises(LabError, match="No such file"):
            pod_in_a_box.exec("h1", "ls", "/nowhere")

    def test_an_unknown_host_is_named(self, pod_in_a_box: Pod) -> None:
        with pytest.raises(LabError, match=r"no host 'h9'.*h1, h2"):
            pod_in_a_box.exec("h9", "true")


class TestNetwork:
    def test_guests_on_two_hosts_and_the_machine_reach_one_another(self, pod_in_a_box: Pod, tiny_image: Path) -> None:
        one = make_guest(pod_in_a_box, "h1", "one", 21, tiny_image)
        two = make_guest(pod_in_a_box, "h2", "two", 22, tiny_image)
        assert pings(one)
        assert pings(two)
        assert "1 packets received" in pod_in_a_box.exec("h1", "lxc-attach", "-n", "one", "--", "/bin/ping", "-c1", two)

    def test_guests_do_not_reach_the_management_network(self, pod_in_a_box: Pod, tiny_image: Path) -> None:
        make_guest(pod_in_a_box, "h1", "three", 23, tiny_image)
        target = pod_in_a_box.host("h2").address
        with pytest.raises(LabError):
            pod_in_a_box.exec("h1", "lxc-attach", "-n", "three", "--", "/bin/ping", "-c1", "-W1", target)

    def test_the_guest_is_unprivileged_in_a_range_of_its_own(self, pod_in_a_box: Pod, tiny_image: Path) -> None:
        make_guest(pod_in_a_box, "h2", "four", 24, tiny_image)
        pid = pod_in_a_box.exec("h2", "lxc-info", "-pHn", "four").strip()
        assert pod_in_a_box.exec("h2", "cat", f"/proc/{pid}/uid_map").split() == ["0", str(1_000_000 + 24 * 65536), "65536"]

    def test_cut_and_heal(self, pod_in_a_box: Pod) -> None:
        target = pod_in_a_box.host("h2")
        pod_in_a_box.cut_host("h2")
        try:
            assert not pings(target.address)
            assert [s.plugged for s in pod_in_a_box.status()] == [True, False]
            assert pod_in_a_box.exec("h2", "hostname").strip() == "h2"
        finally:
            pod_in_a_box.heal_host("h2")
        assert wait_for(lambda: pings(target.address))


class TestRestart:
    def test_disk_and_guests_come_back_with_a_new_boot_id(self, lab_pods: PodFactory, tiny_image: Path) -> None:
        pod = lab_pods(hosts=1)
        address = make_guest(pod, "h1", "phoenix", 30, tiny_image)
        boot_id = pod.exec("h1", "cat", "/proc/sys/kernel/random/boot_id")
        pod.exec("h1", "touch", "/etc/kept", "/run/forgotten")
        pod.restart_host("h1")
        assert pod.exec("h1", "cat", "/proc/sys/kernel/random/boot_id") != boot_id
        assert pod.exec("h1", "ls", "/etc/kept")
        assert "forgotten" not in pod.exec("h1", "ls", "/run")
        assert wait_for(lambda: pings(address))

    def test_a_restarted_host_is_reached_at_once(self, lab_pods: PodFactory) -> None:
        pod = lab_pods(hosts=1)
        before = pod.exec("h1", "cat", "/sys/class/net/eth0/address")
        for _ in range(3):
            began = time.monotonic()
            pod.restart_host("h1")
            assert time.monotonic() - began < 5
            assert pod.exec("h1", "cat", "/sys/class/net/eth0/address") == before

    def test_stop_kills_guests_and_start_is_repeatable(self, lab_pods: PodFactory, tiny_image: Path) -> None:
        pod = lab_pods(hosts=1)
        address = make_guest(pod, "h1", "guest", 31, tiny_image)
        pod.stop_host("h1")
        pod.stop_host("h1")
        assert not pings(address)
        assert [(s.running, s.processes) for s in pod.status()] == [(False, 0)]
        with pytest.raises(LabError, match="h1 is off"):
            pod.exec("h1", "true")
        pod.start_host("h1")
        pod.start_host("h1")
        assert pod.status()[0].running

    def test_a_frozen_guest_does_not_hold_its_host_back(self, lab_pods: PodFactory, tiny_image: Path) -> None:
        pod = lab_pods(hosts=1)
        make_guest(pod, "h1", "ice", 32, tiny_image)
        pod.exec("h1", "lxc-freeze", "-n", "ice")
        pod.stop_host("h1")
        assert pod.status()[0].processes == 0


class TestSideBySide:
    def test_pods_have_subnets_and_hosts_of_their_own(self, pod_in_a_box: Pod, lab_pods: PodFactory) -> None:
        other = lab_pods(hosts=1)
        assert not other.plan.subnet.overlaps(pod_in_a_box.plan.subnet)
        with connect(pod_in_a_box, "h1") as here, connect(other, "h1") as there:
            boot_id = "cat /proc/sys/kernel/random/boot_id"
            assert output(here, boot_id) != output(there, boot_id)

    def test_taking_one_down_leaves_the_other(self, pod_in_a_box: Pod, place: tuple[str, Path]) -> None:
        name, directory = place
        Pod.up(name, hosts=1, state_dir=directory)
        Pod.down(name, state_dir=directory)
        assert all(status.running for status in pod_in_a_box.status())

    def test_the_same_name_elsewhere_is_refused_and_left_alone(self, pod_in_a_box: Pod, tmp_path: Path) -> None:
        with pytest.raises(LabError, match="stands already"):
            Pod.up(pod_in_a_box.name, state_dir=tmp_path / "other")
        with pytest.raises(LabError, match="was built in"):
            Pod.down(pod_in_a_box.name, state_dir=tmp_path / "other")
        assert all(status.running for status in pod_in_a_box.status())

    def test_a_subnet_in_use_is_refused_and_nothing_is_left(self, pod_in_a_box: Pod, place: tuple[str, Path]) -> None:
        name, directory = place
        with pytest.raises(LabError, match="already uses"):
            Pod.up(name, subnet=pod_in_a_box.plan.subnet, state_dir=directory)
        assert traces(name, directory) == NOTHING


class TestDown:
    def test_leaves_nothing_and_is_repeatable(self, place: tuple[str, Path], tiny_image: Path) -> None:
        name, directory = place
        pod = Pod.up(name, hosts=2, state_dir=directory)
        make_guest(pod, "h1", "guest", 40, tiny_image)
        before = all_namespaces()
        alive = {pid for item in pod.plan.hosts for pid in cgroups.processes(item.cgroup)}
        own = namespaces(alive) - namespaces({os.getpid()})
        assert own <= before
        assert len(alive) > 6
        Pod.down(name, state_dir=directory)
        assert traces(name, directory) == NOTHING
        assert not own & all_namespaces()
        Pod.down(name, state_dir=directory)

    @pytest.mark.parametrize("victim", ["init", "sshd", "unshare", "lxc monitor"])
    def test_after_something_was_killed(self, place: tuple[str, Path], tiny_image: Path, victim: str) -> None:
        name, directory = place
        pod = Pod.up(name, hosts=1, state_dir=directory)
        make_guest(pod, "h1", "guest", 41, tiny_image)
        processes = cgroups.processes(pod.plan.hosts[0].cgroup)
        named = {pid for pid in processes if victim in Path(f"/proc/{pid}/cmdline").read_text()}
        assert named
        for pid in named:
            with contextlib.suppress(ProcessLookupError):  # an init takes all others along
                os.kill(pid, signal.SIGKILL)
        Pod.down(name, state_dir=directory)
        assert traces(name, directory) == NOTHING

    def test_after_its_bridges_and_record_are_lost(self, place: tuple[str, Path]) -> None:
        name, directory = place
        pod = Pod.up(name, hosts=1, state_dir=directory)
        for bridge in (pod.plan.guest_bridge, pod.plan.management_bridge):
            subprocess.run(["ip", "link", "del", bridge], check=True)
        (directory / "pod.json").unlink()
        Pod.down(name, state_dir=directory)
        assert traces(name, directory) == NOTHING

    @pytest.mark.parametrize("delay_s", [0.05, 0.3, 0.6, 0.9])
    def test_after_up_was_killed_half_way(self, place: tuple[str, Path], delay_s: float) -> None:
        name, directory = place
        builder = subprocess.Popen(["python", "-m", "lab", "up", name, "--state-dir", str(directory)])
        threading.Event().wait(delay_s)
        builder.kill()
        builder.wait()
        Pod.down(name, state_dir=directory)
        assert traces(name, directory) == NOTHING

    def test_up_completes_what_a_killed_up_left(self, place: tuple[str, Path]) -> None:
        name, directory = place
        builder = subprocess.Popen(["python", "-m", "lab", "up", name, "--state-dir", str(directory)])
        assert wait_for((directory / "h1" / "init").exists)
        builder.kill()
        builder.wait()
        pod = Pod.up(name, state_dir=directory)
        assert all(status.running for status in pod.status())

    def test_a_failed_up_leaves_nothing(self, place: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        name, directory = place

        def never(*_: object) -> None:
            raise LabError("the cable is too short")

        monkeypatch.setattr(network, "plug_in", never)
        with pytest.raises(LabError, match="cable is too short"):
            Pod.up(name, hosts=2, state_dir=directory)
        assert traces(name, directory) == NOTHING


def test_a_second_up_answers_the_same_pod_quickly(pod_in_a_box: Pod) -> None:
    began = time.monotonic()
    again = Pod.up(pod_in_a_box.name, state_dir=pod_in_a_box.state_dir)
    assert again == pod_in_a_box
    assert time.monotonic() - began < 1


def test_up_brings_back_hosts_that_are_off(lab_pods: PodFactory) -> None:
    pod = lab_pods(hosts=1)
    pod.stop_host("h1")
    Pod.up(pod.name, state_dir=pod.state_dir)
    assert pod.status()[0].running


def test_a_host_that_cannot_boot_shows_the_end_of_its_console(lab_pods: PodFactory) -> None:
    pod = lab_pods(hosts=1)
    pod.stop_host("h1")
    host.disk(pod.state_dir / "h1").write_bytes(b"no file system")
    with pytest.raises(LabError, match=r"h1 did not start.*(?s:.)*mount"):
        pod.start_host("h1")


def test_facts_fit_together(pod_in_a_box: Pod) -> None:
    first, last = pod_in_a_box.guest_pool
    assert pod_in_a_box.gateway in pod_in_a_box.subnet
    assert pod_in_a_box.gateway < first < last
    assert all(ipaddress.ip_address(h.address) in pod_in_a_box.management for h in pod_in_a_box.hosts)
    assert pod_in_a_box.ssh_key_path.stat().st_mode & 0o777 == 0o600


def test_a_pod_that_was_put_away_comes_back_with_its_disks_keys_and_addresses(place: tuple[str, Path]) -> None:
    name, directory = place
    # Outside the range that pods choose from by themselves: nobody takes it in the meantime.
    subnet = ipaddress.IPv4Network(f"10.75.{os.getpid() % 256}.0/24")
    before = Pod.up(name, state_dir=directory, hosts=1, subnet=subnet)
    before.exec("h1", "sh", "-c", "echo kept > /root/kept; sync")
    Pod.down(name, state_dir=directory, keep=True)
    assert dataclasses.replace(traces(name, directory), files=()) == NOTHING
    after = Pod.up(name, state_dir=directory)
    assert after.hosts == before.hosts
    assert after.exec("h1", "cat", "/root/kept") == "kept\n"
