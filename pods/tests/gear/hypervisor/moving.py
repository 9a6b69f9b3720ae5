"""What every driver promises about moving: a second suite beside contract.py, which drivers' test classes inherit, too.

One host plays both ends: what was exported is kept, the guest destroyed, and received again.
"""

from __future__ import annotations

import abc
import io
import uuid
from dataclasses import replace

import pytest

from pods.gear.errors import CargoDamaged, GearRefused, GuestExists, NoSuchGuest, StaleFence
from pods.gear.hypervisor.base import Cargo, GuestSpec, Hypervisor, Power
from pods.tests.gear.hypervisor.contract import Harness


class MovingHarness(Harness):
    """A harness that can also look into guests."""

    @abc.abstractmethod
    def write(self, guest_id: str, path: str, text: str) -> None:
        """A file in a guest's root, as its customer would write it."""

    @abc.abstractmethod
    def read(self, guest_id: str, path: str) -> str:
        """It again."""


def exported(hv: Hypervisor, guest_id: str, fence: int) -> bytes:
    """All of it at once; guests of tests are small."""
    with hv.export(guest_id, fence=fence) as stream:
        return b"".join(iter(lambda: stream.read(65_536), b""))


class MovingContract:
    """The suite."""

    @pytest.fixture
    def packed(self, hv: Hypervisor, harness: MovingHarness) -> tuple[GuestSpec, bytes, Cargo]:
        """A stopped guest with a file in it, exported and destroyed."""
        spec = harness.spec()
        hv.create(spec, fence=1)
        harness.write(spec.guest_id, "/root/letter", "dear all")
        cargo, data = hv.measure(spec.guest_id), exported(hv, spec.guest_id, 2)
        hv.destroy(spec.guest_id, fence=3)
        return spec, data, cargo

    def test_what_was_inside_arrives(
        self, hv: Hypervisor, harness: MovingHarness, packed: tuple[GuestSpec, bytes, Cargo]
    ) -> None:
        spec, data, cargo = packed
        assert cargo.entries >= 1
        assert cargo.bytes >= len("dear all")
        seen = hv.receive(spec, io.BytesIO(data), cargo, fence=4)
        assert (seen.power, seen.uid_slot, seen.limits) == (Power.STOPPED, spec.uid_slot, spec.limits)
        assert seen.addresses == tuple(nic.address for nic in spec.nics)
        assert harness.read(spec.guest_id, "/root/letter") == "dear all"
        hv.start(spec.guest_id, fence=4)
        assert hv.wait_listening(spec.guest_id, 22, 20)

    def test_other_user_ids_and_limits_are_taken_on_arrival(
        self, hv: Hypervisor, harness: MovingHarness, packed: tuple[GuestSpec, bytes, Cargo]
    ) -> None:
        spec, data, cargo = packed
        there = replace(spec, uid_slot=harness.spec().uid_slot, limits=replace(spec.limits, memory_mib=96))
        seen = hv.receive(there, io.BytesIO(data), cargo, fence=4)
        assert (seen.uid_slot, seen.limits) == (there.uid_slot, there.limits)
        hv.start(spec.guest_id, fence=4)
        assert hv.wait_listening(spec.guest_id, 22, 20)

    def test_receiving_again_keeps_what_is_there_and_reads_nothing(
        self, hv: Hypervisor, harness: MovingHarness, packed: tuple[GuestSpec, bytes, Cargo]
    ) -> None:
        spec, data, cargo = packed
        hv.receive(spec, io.BytesIO(data), cargo, fence=4)
        harness.write(spec.guest_id, "/root/reply", "dear you")
        hv.receive(spec, io.BytesIO(b""), cargo, fence=4)
        assert harness.read(spec.guest_id, "/root/reply") == "dear you"

    def test_a_copy_that_broke_off_leaves_nothing_and_can_be_sent_again(
        self, hv: Hypervisor, harness: MovingHarness, packed: tuple[GuestSpec, bytes, Cargo]
    ) -> None:
        spec, data, cargo = packed
        for broken in (data[: len(data) // 2], b"", b"nonsense"):
            with pytest.raises(CargoDamaged):
                hv.receive(spec, io.BytesIO(broken), cargo, fence=4)
            seen = hv.observe(spec.guest_id)
            assert seen is None or seen.power is Power.STOPPED
            with pytest.raises(NoSuchGuest):
                hv.start(spec.guest_id, fence=4)
        hv.receive(spec, io.BytesIO(data), cargo, fence=4)
        assert harness.read(spec.guest_id, "/root/letter") == "dear all"

    def test_a_whole_copy_of_something_else_is_refused(self, hv: Hypervisor, packed: tuple[GuestSpec, bytes, Cargo]) -> None:
        spec, data, cargo = packed
        with pytest.raises(CargoDamaged):
            hv.receive(spec, io.BytesIO(data), replace(cargo, digest="0" * len(cargo.digest)), fence=4)

    def test_measuring_twice_says_the_same_until_something_changes(self, hv: Hypervisor, harness: MovingHarness) -> None:
        spec = harness.spec()
        hv.create(spec, fence=1)
        first = hv.measure(spec.guest_id)
        assert hv.measure(spec.guest_id) == first
        harness.write(spec.guest_id, "/root/more", "text")
        second = hv.measure(spec.guest_id)
        assert (second.entries, second.bytes) == (first.entries + 1, first.bytes + 4)
        assert second.digest != first.digest

    def test_a_running_guest_is_not_exported(self, hv: Hypervisor, running: GuestSpec) -> None:
        with pytest.raises(GearRefused, match="stop it first"):
            exported(hv, running.guest_id, 1)

    def test_strangers_and_old_commands_are_refused(
        self, hv: Hypervisor, harness: MovingHarness, packed: tuple[GuestSpec, bytes, Cargo]
    ) -> None:
        spec, data, cargo = packed
        with pytest.raises(NoSuchGuest):
            hv.measure(str(uuid.uuid4()))
        with pytest.raises(NoSuchGuest):
            exported(hv, str(uuid.uuid4()), 1)
        with pytest.raises(StaleFence):
            hv.receive(spec, io.BytesIO(data), cargo, fence=2)
        hv.receive(spec, io.BytesIO(data), cargo, fence=5)
        with pytest.raises(StaleFence):
            exported(hv, spec.guest_id, 4)
        harness.make_foreign(f"mcp-{(foreign := harness.spec()).guest_id}")
        try:
            with pytest.raises(GuestExists):
                hv.receive(foreign, io.BytesIO(data), cargo, fence=1)
        finally:
            harness.remove_foreign(f"mcp-{foreign.guest_id}")
