"""The LXC driver on a real host of the pod in a box."""

from __future__ import annotations

import pytest

from pods.tests.gear.hypervisor.contract import HypervisorContract
from pods.tests.gear.hypervisor.lab_host import LabHost
from pods.tests.gear.hypervisor.moving import MovingContract

pytestmark = pytest.mark.lab


class TestLxcHypervisor(HypervisorContract, MovingContract):
    """All of it, for real."""

    @pytest.fixture
    def harness(self, lab_host: LabHost) -> LabHost:
        return lab_host
