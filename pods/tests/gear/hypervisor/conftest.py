"""A pod in a box of one host, for all tests of this directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fixtures import skip_or_fail_unless_possible
from lab.pod import Pod
from pods.images.builder import build
from pods.images.store import directory_from_environment
from pods.tests.gear.hypervisor.lab_host import LabHost


@pytest.fixture(scope="session")
def lab_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    skip_or_fail_unless_possible()
    directory = directory_from_environment().resolve()
    image = build("busybox", directory)
    name = f"g{os.getpid() % 10**6}"
    state = tmp_path_factory.mktemp("lab")
    try:
        pod = Pod.up(name, hosts=1, state_dir=state / "pod")
        host = LabHost(pod, image, directory)
        yield host
        host.pool.close_all()
    finally:
        Pod.down(name, state_dir=state / "pod")


@pytest.fixture(scope="session")
def image_directory() -> Path:
    """Where built images lie."""
    return directory_from_environment().resolve()
