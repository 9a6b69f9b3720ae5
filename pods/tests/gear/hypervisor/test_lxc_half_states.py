"""A verb may be killed anywhere and repeated; a host may lose what lives in /run; callers may come at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pods.gear.errors import GearError, GearUnreachable, StaleFence
from pods.gear.hypervisor.base import GuestSpec, Power
from pods.gear.hypervisor.lxc.bundle import bundle
from pods.gear.transport import Command
from pods.tests.gear.hypervisor.contract import eventually, unstamped
from pods.tests.gear.hypervisor.lab_host import LabHost

pytestmark = pytest.mark.lab


@pytest.fixture
def spec(lab_host: LabHost) -> Iterator[GuestSpec]:
    lab_host.hypervisor.ensure_image(lab_host.image)
    made = lab_host.spec()
    yield made
    lab_host.hypervisor.destroy(made.guest_id, fence=1_000)


def kill_verbs(lab_host: LabHost, guest_id: str) -> None:
    """Kill the verbs at work on a guest, inside the host's own process namespace; the guest's own processes live on."""
    pattern = f"{bundle().name} .* {guest_id} "
    lab_host.runner.run(Command("pkill", "-9", "-f", pattern), timeout_s=10, mutating=True)


def clean_slate(lab_host: LabHost, guest_id: str) -> None:
    """No root, name, control group, mount or monitor; what the monitor removes by itself is given a moment."""
    script = """ls -d "$1/zones/$2" "/var/lib/lxc/mcp-$2" /sys/fs/cgroup/*/*"$2" 2>/dev/null
        grep -F "$2" /proc/mounts /proc/net/unix || true"""
    assert lab_host.hypervisor.observe(guest_id) is None
    assert eventually(lambda: lab_host.sh(script, lab_host.store, guest_id, check=False) == "")


LINES = [0.0, 0.004, 0.008, 0.012, 0.016, 0.02, 0.024, 0.028, 0.032, 0.036, 0.04, 0.05, 0.06, 0.08]


@pytest.mark.parametrize("delay", LINES)
def test_create_and_start_killed_at_any_moment_are_completed_by_repeating(
    lab_host: LabHost, spec: GuestSpec, delay: float
) -> None:
    def build() -> None:
        try:
            lab_host.hypervisor.create(spec, fence=1)
            lab_host.hypervisor.start(spec.guest_id, fence=1)
        except GearError:
            return

    victim = threading.Thread(target=build)
    victim.start()
    time.sleep(delay)
    kill_verbs(lab_host, spec.guest_id)
    victim.join()
    created = lab_host.hypervisor.create(spec, fence=2)
    assert created.limits == spec.limits
    assert lab_host.hypervisor.start(spec.guest_id, fence=2).power is Power.RUNNING
    assert lab_host.hypervisor.wait_listening(spec.guest_id, 22, 20)


@pytest.mark.parametrize("delay", LINES[:10])
def test_destroy_killed_at_any_moment_is_completed_by_repeating(lab_host: LabHost, spec: GuestSpec, delay: float) -> None:
    lab_host.hypervisor.create(spec, fence=1)
    lab_host.hypervisor.start(spec.guest_id, fence=1)

    def destroy() -> None:
        try:
            lab_host.hypervisor.destroy(spec.guest_id, fence=2)
        except GearError:
            return

    victim = threading.Thread(target=destroy)
    victim.start()
    time.sleep(delay)
    kill_verbs(lab_host, spec.guest_id)
    victim.join()
    lab_host.hypervisor.destroy(spec.guest_id, fence=2)
    clean_slate(lab_host, spec.guest_id)


HALVES = {
    "only a directory": 'mkdir -p "$1"',
    "a root without its mark": 'mkdir -p "$1"; btrfs -q subvolume create "$1/rootfs"; touch "$1/rootfs/torn"',
    "a mark without a configuration": 'mkdir -p "$1"; btrfs -q subvolume create "$1/rootfs"; touch "$1/ready"',
    "leftovers of a torn update": 'mkdir -p "$1/new"; echo x >"$1/new/config"',
    "a name that leads nowhere": 'ln -s "$1" "/var/lib/lxc/mcp-$2"',
}


@pytest.mark.parametrize("half", HALVES)
def test_destroy_removes_every_half_state(lab_host: LabHost, spec: GuestSpec, half: str) -> None:
    lab_host.sh(HALVES[half], lab_host.zone(spec.guest_id), spec.guest_id)
    lab_host.hypervisor.destroy(spec.guest_id, fence=1)
    clean_slate(lab_host, spec.guest_id)


@pytest.mark.parametrize("half", [name for name in HALVES if "mark without" not in name])
def test_create_completes_every_half_state(lab_host: LabHost, spec: GuestSpec, half: str) -> None:
    lab_host.sh(HALVES[half], lab_host.zone(spec.guest_id), spec.guest_id)
    lab_host.hypervisor.create(spec, fence=1)
    assert lab_host.hypervisor.start(spec.guest_id, fence=1).power is Power.RUNNING
    assert lab_host.inside(spec.guest_id, "ls /torn").exit_code != 0


def test_data_of_a_complete_guest_survives_another_create(lab_host: LabHost, spec: GuestSpec) -> None:
    lab_host.hypervisor.create(spec, fence=1)
    lab_host.hypervisor.start(spec.guest_id, fence=1)
    lab_host.inside(spec.guest_id, "echo precious >/data")
    lab_host.hypervisor.create(spec, fence=2)
    assert lab_host.inside(spec.guest_id, "cat /data").text == "precious\n"


def test_a_host_that_lost_the_scripts_is_sent_them_again(lab_host: LabHost, spec: GuestSpec) -> None:
    lab_host.sh("rm -rf /run/mcp")
    assert lab_host.hypervisor.create(spec, fence=1).power is Power.STOPPED
    assert lab_host.sh("stat -c %a /run/mcp").strip() == "700"


def test_power_cut_in_the_middle_of_creates(lab_host: LabHost) -> None:
    lab_host.hypervisor.ensure_image(lab_host.image)
    specs = [lab_host.spec() for _ in range(4)]

    def build(spec: GuestSpec) -> None:
        try:
            lab_host.hypervisor.create(spec, fence=1)
            lab_host.hypervisor.start(spec.guest_id, fence=1)
        except GearError:
            return

    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(build, spec) for spec in specs]
        time.sleep(0.1)
        lab_host.restart()
        for future in futures:
            future.result()
    for spec in specs:
        lab_host.hypervisor.create(spec, fence=2)
        assert lab_host.hypervisor.start(spec.guest_id, fence=2).limits == spec.limits
    for spec in specs:
        lab_host.hypervisor.destroy(spec.guest_id, fence=3)
        clean_slate(lab_host, spec.guest_id)


def test_the_same_image_by_many_at_once_is_unpacked_once(lab_host: LabHost) -> None:
    lab_host.hypervisor.drop_image(lab_host.image.key)
    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(lab_host.hypervisor.ensure_image, lab_host.image) for _ in range(4)]:
            future.result()
    assert lab_host.hypervisor.inventory().images.count(lab_host.image.key) == 1
    assert lab_host.sh('ls -A "$1/images" | grep "^\\." || true', lab_host.store) == ""


def test_many_guests_at_once(lab_host: LabHost) -> None:
    lab_host.hypervisor.ensure_image(lab_host.image)
    specs = [lab_host.spec() for _ in range(8)]

    def build(spec: GuestSpec) -> bool:
        lab_host.hypervisor.create(spec, fence=1)
        lab_host.hypervisor.start(spec.guest_id, fence=1)
        return lab_host.hypervisor.wait_listening(spec.guest_id, 22, 30)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(build, specs))
    seen = lab_host.hypervisor.inventory().by_id()
    assert {seen[spec.guest_id].power for spec in specs} == {Power.RUNNING}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda spec: lab_host.hypervisor.destroy(spec.guest_id, fence=2), specs))
    assert not set(lab_host.hypervisor.inventory().by_id()) & {spec.guest_id for spec in specs}


def test_commands_for_one_guest_wait_for_each_other(lab_host: LabHost, spec: GuestSpec) -> None:
    lab_host.hypervisor.create(spec, fence=1)
    with ThreadPoolExecutor(6) as threads:
        starts = [threads.submit(lab_host.hypervisor.start, spec.guest_id, fence=1) for _ in range(6)]
        assert {future.result().power for future in starts} == {Power.RUNNING}


def test_a_stalled_worker_that_wakes_up_is_refused(lab_host: LabHost, spec: GuestSpec) -> None:
    lab_host.hypervisor.create(spec, fence=1)
    before = unstamped(lab_host.hypervisor.stop(spec.guest_id, fence=2, timeout_s=1))
    with pytest.raises(StaleFence):
        lab_host.hypervisor.start(spec.guest_id, fence=1)
    assert unstamped(lab_host.hypervisor.observe(spec.guest_id)) == before


def test_a_host_cut_off_is_unreachable_and_comes_back(lab_host: LabHost, spec: GuestSpec) -> None:
    lab_host.hypervisor.create(spec, fence=1)
    lab_host.pod.stop_host(lab_host.host.name)
    lab_host.pool.close_all()
    with pytest.raises(GearUnreachable):
        lab_host.hypervisor.inventory()
    lab_host.pod.start_host(lab_host.host.name)
    assert eventually(lambda: lab_host.hypervisor.observe(spec.guest_id)) is not None
