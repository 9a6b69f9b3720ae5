"""The simulated hypervisor keeps the contract, in memory and on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pods.gear.hypervisor.base import ImageRef, Nic
from pods.gear.simulated import DirectoryStore, MemoryStore, SimulatedHypervisor, SimulatedPod
from pods.tests.gear.hypervisor.contract import HypervisorContract
from pods.tests.gear.hypervisor.moving import MovingContract, MovingHarness


class SimulatedHarness(MovingHarness):
    """The fault panel as the operator's hands."""

    def __init__(self, pod: SimulatedPod, directory: Path) -> None:
        self.host = pod.add_host("h1")
        self.hypervisor = SimulatedHypervisor(pod, "h1")
        path = directory / "image.tar.zst"
        path.write_bytes(b"an image")
        self.image = ImageRef("tiny", "1", hashlib.sha256(b"an image").hexdigest(), 8, path)

    def restart(self) -> None:
        self.host.restart()

    def stop_behind(self, guest_id: str) -> None:
        self.host.stop_guest(guest_id)

    def make_foreign(self, name: str) -> None:
        self.host.create_foreign(name)

    def remove_foreign(self, name: str) -> None:
        self.host.destroy_foreign(name)

    def write(self, guest_id: str, path: str, text: str) -> None:
        self.host.write_file(guest_id, path, text)

    def read(self, guest_id: str, path: str) -> str:
        return self.host.state().guests[f"mcp-{guest_id}"].files[path]

    def address(self, number: int) -> Nic:
        return Nic("", f"10.9.{number // 250}.{number % 250 + 2}", 16, "10.9.0.1", "br0")


@pytest.fixture(params=["memory", "directory"])
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> SimulatedPod:
    return SimulatedPod(MemoryStore() if request.param == "memory" else DirectoryStore(tmp_path / "pod"))


class TestSimulatedHypervisor(HypervisorContract, MovingContract):
    """All of it."""

    @pytest.fixture
    def harness(self, pod: SimulatedPod, tmp_path: Path) -> SimulatedHarness:
        return SimulatedHarness(pod, tmp_path)
