"""The fault panel: delays, errors before and after the effect, hangs, restarts, worlds shared by processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pods.gear.errors import DiskFull, GearRefused, GearUnknown, GearUnreachable
from pods.gear.hypervisor.base import GuestSpec, ImageRef, Limits, Nic, Power
from pods.gear.registry import DRIVERS, HostAccess, open_hypervisor
from pods.gear.simulated import DirectoryStore, ManualClock, SimulatedHost, SimulatedHypervisor, SimulatedPod

IMAGE = ImageRef("tiny", "1", "a" * 64, 1, Path("/nowhere"))


def spec(number: int, memory_mib: int = 64, disk_gib: float = 1.0) -> GuestSpec:
    nic = Nic(f"02:00:00:00:00:{number:02x}", f"10.0.0.{number}", 24, None, "br0")
    limits = Limits(memory_mib, 1.0, disk_gib, 64)
    return GuestSpec(str(uuid.UUID(int=number)), f"g{number}", IMAGE, limits, number, (nic,))


@pytest.fixture
def pod() -> SimulatedPod:
    return SimulatedPod()


@pytest.fixture
def host(pod: SimulatedPod) -> SimulatedHost:
    return pod.add_host("h1")


@pytest.fixture
def hv(pod: SimulatedPod, host: SimulatedHost) -> SimulatedHypervisor:
    driver = SimulatedHypervisor(pod, "h1")
    driver.ensure_image(IMAGE)
    return driver


def test_an_error_before_the_effect_changes_nothing(host: SimulatedHost, hv: SimulatedHypervisor) -> None:
    host.fail_next("create", GearUnreachable)
    with pytest.raises(GearUnreachable):
        hv.create(spec(1), fence=1)
    assert hv.observe(spec(1).guest_id) is None
    assert hv.create(spec(1), fence=1).power is Power.STOPPED


def test_an_error_after_the_effect_leaves_it(host: SimulatedHost, hv: SimulatedHypervisor) -> None:
    host.fail_next("create", GearUnknown, after_effect=True)
    with pytest.raises(GearUnknown):
        hv.create(spec(1), fence=1)
    assert hv.observe(spec(1).guest_id) is not None


def test_faults_count_and_belong_to_their_verb(host: SimulatedHost, hv: SimulatedHypervisor) -> None:
    host.fail_next("start", DiskFull, times=2)
    hv.create(spec(1), fence=1)
    for _ in range(2):
        with pytest.raises(DiskFull):
            hv.start(spec(1).guest_id, fence=1)
    assert hv.start(spec(1).guest_id, fence=1).power is Power.RUNNING


@pytest.mark.parametrize("after", [True, False])
def test_a_hang_lasts_until_it_is_released(host: SimulatedHost, hv: SimulatedHypervisor, after: bool) -> None:
    ticket = host.hang_next("create", after_effect=after)
    with ThreadPoolExecutor(1) as threads:
        made = threads.submit(hv.create, spec(1), fence=1)
        deadline = time.monotonic() + 10
        while host.state().faults and time.monotonic() < deadline:
            time.sleep(0.005)
        assert not made.done()
        assert hv.heartbeat()
        host.release(ticket)
        assert made.result(10).power is Power.STOPPED
    assert host.state().released == []


def test_a_host_that_is_down_answers_nothing_and_keeps_its_guests(host: SimulatedHost, hv: SimulatedHypervisor) -> None:
    hv.create(spec(1), fence=1)
    hv.start(spec(1).guest_id, fence=1)
    host.go_down()
    for ask in (hv.heartbeat, hv.inventory, hv.probe):
        with pytest.raises(GearUnreachable):
            ask()
    host.come_up()
    assert hv.inventory().by_id()[spec(1).guest_id].power is Power.RUNNING


def test_changes_behind_our_back(host: SimulatedHost, hv: SimulatedHypervisor) -> None:
    guest = spec(1)
    hv.create(guest, fence=1)
    hv.start(guest.guest_id, fence=1)
    host.change_limits(guest.guest_id, Limits(999, 9.0, 9.0, 99))
    host.stop_guest(guest.guest_id)
    seen = hv.inventory().by_id()[guest.guest_id]
    assert (seen.limits, seen.power) == (Limits(999, 9.0, 9.0, 99), Power.STOPPED)
    host.destroy_guest(guest.guest_id)
    host.drop_images()
    assert hv.observe(guest.guest_id) is None
    assert hv.inventory().images == ()


def test_capacity_is_real(pod: SimulatedPod) -> None:
    pod.add_host("small", memory_mib=100, disk_gib=3)
    hv = SimulatedHypervisor(pod, "small")
    hv.ensure_image(IMAGE)
    hv.create(spec(1, memory_mib=60), fence=1)
    with pytest.raises(GearRefused, match="memory"):
        hv.create(spec(2, memory_mib=101), fence=1)
    with pytest.raises(DiskFull):
        hv.create(spec(3, memory_mib=16, disk_gib=2.5), fence=1)


def test_only_what_runs_takes_memory(pod: SimulatedPod) -> None:
    pod.add_host("small", memory_mib=100)
    hv = SimulatedHypervisor(pod, "small")
    hv.ensure_image(IMAGE)
    first, second = spec(1, memory_mib=60), spec(2, memory_mib=60)
    hv.create(first, fence=1)
    hv.start(first.guest_id, fence=1)
    hv.create(second, fence=1)
    with pytest.raises(GearRefused, match="memory"):
        hv.start(second.guest_id, fence=1)
    with pytest.raises(GearRefused, match="memory"):
        hv.configure(spec(1, memory_mib=101), fence=1)
    hv.stop(first.guest_id, fence=1, timeout_s=1)
    hv.start(second.guest_id, fence=1)
    hv.start(second.guest_id, fence=1)


def test_an_unknown_bridge_and_an_unknown_host_are_refused(pod: SimulatedPod, hv: SimulatedHypervisor) -> None:
    nic = Nic("02:00:00:00:00:09", "10.0.0.9", 24, None, "nobridge")
    plain = spec(9)
    with pytest.raises(GearRefused, match="bridge"):
        hv.create(GuestSpec(plain.guest_id, "g9", IMAGE, plain.limits, 9, (nic,)), fence=1)
    with pytest.raises(GearUnreachable):
        SimulatedHypervisor(pod, "nowhere").heartbeat()


def test_manual_time_moves_only_by_hand() -> None:
    clock = ManualClock()
    pod = SimulatedPod(clock=clock)
    host = pod.add_host("h1")
    host.delay("start", 30.0)
    host.delay("boot", 5.0)
    hv = SimulatedHypervisor(pod, "h1")
    hv.ensure_image(IMAGE)
    hv.create(spec(1), fence=1)
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(hv.start, spec(1).guest_id, fence=1)
        assert clock.wait_for_sleepers(1)
        assert not started.done()
        clock.advance(30)
        assert started.result(10).power is Power.RUNNING
        waiting = threads.submit(hv.wait_listening, spec(1).guest_id, 22, 60.0)
        assert clock.wait_for_sleepers(1)
        clock.advance(5)
        assert waiting.result(10) is True


def test_manual_time_that_nobody_moves_ends_the_test() -> None:
    with pytest.raises(TimeoutError):
        ManualClock(patience_s=0.05).sleep(1)


def test_named_pods_are_found_again_and_forgotten(tmp_path: Path) -> None:
    name = str(tmp_path / "pod")
    SimulatedPod.named(name).add_host("h1", memory_mib=123)
    assert SimulatedPod.named(name) is SimulatedPod.named(name)
    SimulatedPod.forget(name)
    assert SimulatedPod.named(name).host("h1").state().memory_mib == 123
    assert [host.name for host in SimulatedPod.named(name).hosts()] == ["h1"]
    SimulatedPod.forget(name)


def test_the_registry_opens_it(tmp_path: Path) -> None:
    name = str(tmp_path / "pod")
    SimulatedPod.named(name).add_host("h1")
    hv = open_hypervisor(HostAccess("simulated", "h1", options={"pod": name}))
    assert hv.probe().usable
    with pytest.raises(GearRefused, match="lxc"):
        open_hypervisor(HostAccess("nonsense", "h1"))
    assert set(DRIVERS) >= {"lxc", "simulated"}
    SimulatedPod.forget(name)


def _create_many(directory: str, first: int, count: int) -> None:
    hv = SimulatedHypervisor(SimulatedPod(DirectoryStore(Path(directory))), "h1")
    for number in range(first, first + count):
        hv.create(spec(number), fence=1)
        hv.start(spec(number).guest_id, fence=1)


def test_processes_share_a_directory(tmp_path: Path) -> None:
    pod = SimulatedPod(DirectoryStore(tmp_path))
    pod.add_host("h1")
    hv = SimulatedHypervisor(pod, "h1")
    hv.ensure_image(IMAGE)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_create_many, args=(str(tmp_path), 1 + 20 * n, 20)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    seen = hv.inventory().by_id()
    assert len(seen) == 60
    assert {guest.power for guest in seen.values()} == {Power.RUNNING}


def test_a_killed_process_leaves_a_whole_world(tmp_path: Path) -> None:
    pod = SimulatedPod(DirectoryStore(tmp_path))
    host = pod.add_host("h1")
    hv = SimulatedHypervisor(pod, "h1")
    hv.ensure_image(IMAGE)
    spawn = multiprocessing.get_context("spawn")
    worker = spawn.Process(target=_create_many, args=(str(tmp_path), 1, 200))
    worker.start()
    deadline = time.monotonic() + 30
    while len(host.state().guests) < 5 and time.monotonic() < deadline:
        time.sleep(0.002)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(10)
    before = len(hv.inventory().guests)
    assert before >= 5
    hv.create(spec(250), fence=1)
    assert len(hv.inventory().guests) == before + 1


def test_threads_never_hand_out_the_same_address_twice(hv: SimulatedHypervisor) -> None:
    won: list[str] = []

    def grab(number: int) -> None:
        wanted = spec(number)
        nic = Nic("02:00:00:00:00:01", "10.0.0.1", 24, None, "br0")
        try:
            hv.create(GuestSpec(wanted.guest_id, wanted.hostname, IMAGE, wanted.limits, number, (nic,)), fence=1)
            won.append(wanted.guest_id)
        except GearRefused:
            return

    threads = [threading.Thread(target=grab, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_tens_of_creates_a_second(tmp_path: Path) -> None:
    """On disk, one process; the goal of the whole control plane is 20."""
    pod = SimulatedPod(DirectoryStore(tmp_path))
    pod.add_host("h1")
    hv = SimulatedHypervisor(pod, "h1")
    hv.ensure_image(IMAGE)
    started = time.monotonic()
    for number in range(1, 101):
        hv.create(spec(number), fence=1)
    assert 100 / (time.monotonic() - started) > 40
