"""What every hypervisor driver promises. A driver's test class inherits this suite and brings a `harness` fixture."""

from __future__ import annotations

import abc
import hashlib
import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from pods.gear.errors import GearRefused, GuestExists, ImageBroken, NoSuchGuest, StaleFence
from pods.gear.hypervisor.base import GuestObservation, GuestSpec, Hypervisor, ImageRef, Limits, Nic, Power

T = TypeVar("T")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH6zQyB0hKbs2Xhr0bvrl6gYXPpLzFT4IAXC0o4c+0dO demo@example"


class Harness(abc.ABC):
    """A host under test, and the hands of its operator."""

    hypervisor: Hypervisor
    image: ImageRef
    _count = itertools.count(1)

    @abc.abstractmethod
    def restart(self) -> None:
        """Power cut and boot; returns when the host answers again."""

    @abc.abstractmethod
    def stop_behind(self, guest_id: str) -> None:
        """Stop a guest by hand."""

    @abc.abstractmethod
    def make_foreign(self, name: str) -> None:
        """Make a guest by hand."""

    @abc.abstractmethod
    def remove_foreign(self, name: str) -> None:
        """Remove it again."""

    @abc.abstractmethod
    def address(self, number: int) -> Nic:
        """A port with an address of its own; the MAC is set by `spec`."""

    def spec(self, **changes: object) -> GuestSpec:
        """A small guest with an id, user ids and an address that no other test has."""
        number = next(Harness._count)
        guest_id = str(uuid.uuid4())
        nic = replace(self.address(number), mac=mac_of(guest_id))
        spec = GuestSpec(
            guest_id=guest_id,
            hostname=f"guest-{number}",
            image=self.image,
            limits=Limits(memory_mib=64, vcpus=0.5, disk_gib=0.25, processes=64),
            uid_slot=number,
            nics=(nic,),
            resolvers=("192.0.2.53",),
            search_domain="demo.example",
            ssh_keys=(KEY,),
        )
        return replace(spec, **changes)  # type: ignore[arg-type]  # the caller names real fields


def mac_of(guest_id: str) -> str:
    """A locally administered MAC from an id."""
    digest = hashlib.sha256(guest_id.encode()).hexdigest()
    return "02:" + ":".join(digest[i : i + 2] for i in range(0, 10, 2))


def eventually(question: Callable[[], T], limit_s: float = 15.0) -> T:
    """The first true answer; the last one when time is up."""
    deadline = time.monotonic() + limit_s
    while True:
        answer = question()
        if answer or time.monotonic() >= deadline:
            return answer
        time.sleep(0.02)


def unstamped(seen: GuestObservation | None) -> GuestObservation | None:
    """An observation without what may differ from one look to the next."""
    return replace(seen, disk_used_bytes=None) if seen else None


class HypervisorContract:
    """The suite."""

    @pytest.fixture(autouse=True)
    def _clean(self, harness: Harness) -> object:
        harness.hypervisor.ensure_image(harness.image)
        yield
        for guest in harness.hypervisor.inventory().guests:
            if guest.guest_id is not None:
                harness.hypervisor.destroy(guest.guest_id, fence=guest.fence)
        return None

    @pytest.fixture
    def hv(self, harness: Harness) -> Hypervisor:
        return harness.hypervisor

    @pytest.fixture
    def running(self, harness: Harness) -> GuestSpec:
        spec = harness.spec()
        harness.hypervisor.create(spec, fence=1)
        harness.hypervisor.start(spec.guest_id, fence=1)
        assert harness.hypervisor.wait_listening(spec.guest_id, 22, 20)
        return spec

    # --- asking ---

    def test_probe_tells_what_the_machine_is(self, hv: Hypervisor) -> None:
        facts = hv.probe()
        assert facts.usable, facts.missing
        assert facts.cpus >= 1
        assert facts.memory_mib > 256
        assert facts.disk_gib >= 1
        assert facts.cgroup_version in (1, 2)
        assert "br0" in facts.bridges
        assert abs(facts.clock_skew_ms) < 5_000
        assert facts.boot_id == hv.heartbeat()

    def test_nothing_is_observed_of_an_unknown_guest(self, hv: Hypervisor) -> None:
        stranger = str(uuid.uuid4())
        assert hv.observe(stranger) is None
        assert hv.first_boot(stranger) is None
        assert hv.wait_listening(stranger, 22, 0.05) is False

    def test_capabilities_are_data(self, hv: Hypervisor) -> None:
        assert "zone" in hv.capabilities.kinds
        assert {"memory", "cpu", "disk", "processes", "spoofing"} == hv.capabilities.enforces

    # --- images ---

    def test_ensure_image_is_repeatable_and_shows_in_the_inventory(self, hv: Hypervisor, harness: Harness) -> None:
        told: list[float] = []
        hv.drop_image(harness.image.key)
        assert harness.image.key not in hv.inventory().images
        hv.ensure_image(harness.image, lambda _sentence, share: told.append(share))
        hv.ensure_image(harness.image)
        assert hv.inventory().images.count(harness.image.key) == 1
        assert told[-1] == 1.0
        assert told == sorted(told)

    def test_drop_image_is_repeatable_and_guests_live_on(self, hv: Hypervisor, harness: Harness, running: GuestSpec) -> None:
        hv.drop_image(harness.image.key)
        hv.drop_image(harness.image.key)
        seen = hv.observe(running.guest_id)
        assert seen is not None
        assert seen.power is Power.RUNNING

    def test_image_with_a_wrong_checksum_is_refused_and_leaves_nothing(self, hv: Hypervisor, harness: Harness) -> None:
        broken = replace(harness.image, sha256="0" * 64)
        with pytest.raises(ImageBroken):
            hv.ensure_image(broken)
        assert broken.key not in hv.inventory().images

    def test_image_whose_file_is_gone_is_refused(self, hv: Hypervisor, harness: Harness) -> None:
        with pytest.raises(ImageBroken):
            hv.ensure_image(replace(harness.image, version="9", path=Path("/nowhere/image.tar.zst")))

    # --- create ---

    def test_create_gives_what_was_asked_stopped(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        seen = hv.create(spec, fence=7)
        assert seen.guest_id == spec.guest_id
        assert seen.power is Power.STOPPED
        assert seen.limits == spec.limits
        assert seen.uid_slot == spec.uid_slot
        assert seen.addresses == (spec.nics[0].address,)
        assert seen.fence == 7
        assert unstamped(hv.observe(spec.guest_id)) == unstamped(seen)
        assert unstamped(hv.inventory().by_id()[spec.guest_id]) == unstamped(seen)

    def test_create_is_repeatable(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        first = hv.create(spec, fence=1)
        assert unstamped(hv.create(spec, fence=1)) == unstamped(first)
        assert len(hv.inventory().by_id()) == 1

    def test_create_again_converges_and_keeps_it_running(self, hv: Hypervisor, running: GuestSpec) -> None:
        wider = replace(running, limits=replace(running.limits, memory_mib=96))
        seen = hv.create(wider, fence=2)
        assert seen.power is Power.RUNNING
        assert seen.limits == wider.limits

    def test_create_without_the_image_is_refused_and_leaves_no_guest_running(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec(image=replace(harness.image, version="8"))
        with pytest.raises(GearRefused, match="image"):
            hv.create(spec, fence=1)
        hv.destroy(spec.guest_id, fence=1)
        assert hv.observe(spec.guest_id) is None

    def test_user_ids_and_addresses_are_never_handed_out_twice(self, hv: Hypervisor, harness: Harness) -> None:
        first = harness.spec()
        hv.create(first, fence=1)
        with pytest.raises(GearRefused):
            hv.create(harness.spec(uid_slot=first.uid_slot), fence=1)
        with pytest.raises(GearRefused):
            hv.create(harness.spec(nics=first.nics), fence=1)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("hostname", "a b"),
            ("hostname", "x\nlxc.hook.pre-start = /bin/sh"),
            ("guest_id", "../../etc"),
            ("uid_slot", -1),
            ("search_domain", "a;b"),
            ("ssh_keys", ("ssh-ed25519 AAAA\ncommand",)),
            ("resolvers", ("1.2.3",)),
            ("limits", Limits(0, 1, 1, 64)),
            ("user_script", "x" * 70_000),
        ],
    )
    def test_hostile_values_are_refused_before_anything_is_sent(
        self, hv: Hypervisor, harness: Harness, field: str, value: object
    ) -> None:
        with pytest.raises(GearRefused, match=field):
            hv.create(harness.spec(**{field: value}), fence=1)

    # --- start, stop ---

    def test_start_boots_confined_and_is_repeatable(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        hv.create(spec, fence=1)
        seen = hv.start(spec.guest_id, fence=1)
        assert seen.power is Power.RUNNING
        assert seen.limits == spec.limits
        assert seen.guarded is True
        assert hv.wait_listening(spec.guest_id, 0, 20)
        assert hv.wait_listening(spec.guest_id, 22, 20)
        assert hv.start(spec.guest_id, fence=1).power is Power.RUNNING

    def test_waiting_for_what_does_not_listen_ends_in_time(self, hv: Hypervisor, running: GuestSpec) -> None:
        started = time.monotonic()
        assert hv.wait_listening(running.guest_id, 9, 0.3) is False
        assert 0.25 < time.monotonic() - started < 5

    def test_stop_is_repeatable_and_start_brings_it_back(self, hv: Hypervisor, running: GuestSpec) -> None:
        assert hv.stop(running.guest_id, fence=1, timeout_s=10).power is Power.STOPPED
        assert hv.stop(running.guest_id, fence=1, timeout_s=10).power is Power.STOPPED
        assert hv.wait_listening(running.guest_id, 22, 0.05) is False
        assert hv.start(running.guest_id, fence=1).power is Power.RUNNING

    def test_stop_without_patience_kills(self, hv: Hypervisor, running: GuestSpec) -> None:
        assert hv.stop(running.guest_id, fence=1, timeout_s=0).power is Power.STOPPED

    def test_a_guest_stopped_behind_our_back_is_seen(self, hv: Hypervisor, harness: Harness, running: GuestSpec) -> None:
        harness.stop_behind(running.guest_id)
        assert hv.inventory().by_id()[running.guest_id].power is Power.STOPPED
        assert hv.start(running.guest_id, fence=1).power is Power.RUNNING

    def test_verbs_on_a_guest_that_is_not_there(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        with pytest.raises(NoSuchGuest):
            hv.start(spec.guest_id, fence=1)
        with pytest.raises(NoSuchGuest):
            hv.stop(spec.guest_id, fence=1, timeout_s=1)
        with pytest.raises(NoSuchGuest):
            hv.configure(spec, fence=1)
        assert hv.observe(spec.guest_id) is None

    # --- configure ---

    def test_configure_a_stopped_guest(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        hv.create(spec, fence=1)
        other = harness.spec(guest_id=spec.guest_id, uid_slot=spec.uid_slot, limits=Limits(128, 1.5, 0.5, 100))
        seen = hv.configure(other, fence=2)
        assert seen.limits == other.limits
        assert seen.addresses == (other.nics[0].address,)
        assert hv.start(spec.guest_id, fence=2).limits == other.limits

    @pytest.mark.parametrize("limits", [Limits(128, 1.25, 0.5, 100), Limits(48, 0.25, 0.125, 40)])
    def test_limits_of_a_running_guest_change_at_once(self, hv: Hypervisor, running: GuestSpec, limits: Limits) -> None:
        seen = hv.configure(replace(running, limits=limits), fence=2)
        assert seen.power is Power.RUNNING
        assert seen.limits == limits
        assert hv.inventory().by_id()[running.guest_id].limits == limits

    # --- destroy ---

    def test_destroy_a_running_guest_leaves_nothing_and_is_repeatable(self, hv: Hypervisor, running: GuestSpec) -> None:
        hv.destroy(running.guest_id, fence=3)
        hv.destroy(running.guest_id, fence=3)
        assert hv.observe(running.guest_id) is None
        assert running.guest_id not in hv.inventory().by_id()
        assert hv.create(running, fence=4).power is Power.STOPPED

    def test_destroy_of_what_never_was(self, hv: Hypervisor) -> None:
        hv.destroy(str(uuid.uuid4()), fence=1)

    # --- fences ---

    @pytest.mark.parametrize("verb", ["create", "start", "stop", "configure", "destroy"])
    def test_an_older_fence_is_refused_and_changes_nothing(self, hv: Hypervisor, harness: Harness, verb: str) -> None:
        spec = harness.spec()
        before = hv.create(spec, fence=5)
        wider = replace(spec, limits=replace(spec.limits, memory_mib=96))
        calls: dict[str, Callable[[], object]] = {
            "create": lambda: hv.create(wider, fence=4),
            "start": lambda: hv.start(spec.guest_id, fence=4),
            "stop": lambda: hv.stop(spec.guest_id, fence=4, timeout_s=1),
            "configure": lambda: hv.configure(wider, fence=4),
            "destroy": lambda: hv.destroy(spec.guest_id, fence=4),
        }
        with pytest.raises(StaleFence):
            calls[verb]()
        assert unstamped(hv.observe(spec.guest_id)) == unstamped(before)

    def test_the_fence_is_remembered_after_destroy(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        hv.create(spec, fence=5)
        hv.destroy(spec.guest_id, fence=9)
        with pytest.raises(StaleFence):
            hv.create(spec, fence=8)
        assert hv.create(spec, fence=9).fence == 9

    def test_fences_are_numbers_not_texts(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        hv.create(spec, fence=9)
        assert hv.configure(spec, fence=10).fence == 10
        with pytest.raises(StaleFence):
            hv.configure(spec, fence=9)

    # --- first boot ---

    def test_first_boot_tells_how_the_script_ended(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec(user_script="#!/bin/sh\necho made it here\nexit 3\n")
        hv.create(spec, fence=1)
        assert hv.first_boot(spec.guest_id) is None
        hv.start(spec.guest_id, fence=1)
        ended = eventually(lambda: hv.first_boot(spec.guest_id))
        assert ended is not None
        assert ended.exit_code == 3
        assert "made it here" in ended.output

    def test_no_script_no_first_boot(self, hv: Hypervisor, running: GuestSpec) -> None:
        assert hv.first_boot(running.guest_id) is None

    # --- the host ---

    def test_restart_of_the_host_brings_back_what_was_wanted_running(self, hv: Hypervisor, harness: Harness) -> None:
        wanted, unwanted, never = harness.spec(), harness.spec(), harness.spec()
        for spec in (wanted, unwanted, never):
            hv.create(spec, fence=4)
        for spec in (wanted, unwanted):
            hv.start(spec.guest_id, fence=4)
        hv.stop(unwanted.guest_id, fence=4, timeout_s=10)
        before = hv.heartbeat()
        harness.restart()
        assert hv.heartbeat() != before
        assert hv.wait_listening(wanted.guest_id, 22, 30)
        guests = hv.inventory().by_id()
        assert guests[wanted.guest_id].power is Power.RUNNING
        assert guests[wanted.guest_id].guarded is True
        assert guests[wanted.guest_id].limits == wanted.limits
        assert guests[unwanted.guest_id].power is Power.STOPPED
        assert guests[never.guest_id].power is Power.STOPPED
        with pytest.raises(StaleFence):
            hv.stop(wanted.guest_id, fence=3, timeout_s=1)

    def test_foreign_guests_are_seen_and_left_alone(self, hv: Hypervisor, harness: Harness) -> None:
        harness.make_foreign("by-hand")
        try:
            foreign = {guest.name: guest for guest in hv.inventory().guests}["by-hand"]
            assert foreign.guest_id is None
        finally:
            harness.remove_foreign("by-hand")

    def test_a_foreign_guest_under_our_name_is_not_touched(self, hv: Hypervisor, harness: Harness) -> None:
        spec = harness.spec()
        name = f"mcp-{spec.guest_id}"
        harness.make_foreign(name)
        try:
            with pytest.raises(GuestExists):
                hv.create(spec, fence=1)
            with pytest.raises(GuestExists):
                hv.destroy(spec.guest_id, fence=1)
            assert name in {guest.name for guest in hv.inventory().guests}
            assert hv.observe(spec.guest_id) is None
        finally:
            harness.remove_foreign(name)
