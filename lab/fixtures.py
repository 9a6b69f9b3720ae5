"""pytest fixtures of the pod in a box. Load them with `pytest_plugins = ["lab.fixtures"]` in a root conftest.

Where the machine cannot run it, tests that ask for it are skipped with the reason; if the environment variable
MCP_REQUIRE (a list with commas) names `lab`, they fail instead.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import requirements
from lab.pod import Pod

PodFactory = Callable[..., Pod]


def required() -> bool:
    """Whether a missing lab is a failure here."""
    return "lab" in os.environ.get("MCP_REQUIRE", "").split(",")


def unique_name() -> str:
    """A pod name that no other test run has."""
    return f"t{secrets.token_hex(3)}"


def skip_or_fail_unless_possible() -> None:
    """End the test with the reason if the lab cannot run on this machine."""
    if why := requirements.reason():
        if required():
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="session")
def lab_pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodFactory]:
    """A function that builds pods (arguments of `Pod.up`) with a unique name and a subnet of their own each.

    All are taken down at the end of the session, also after failures.
    """
    skip_or_fail_unless_possible()
    built: dict[str, Path] = {}

    def build(name: str = "", **options: Any) -> Pod:
        name = name or unique_name()
        built[name] = tmp_path_factory.mktemp("lab") / name
        return Pod.up(name, state_dir=built[name], **options)

    try:
        yield build
    finally:
        for name, directory in built.items():
            Pod.down(name, state_dir=directory)


@pytest.fixture(scope="session")
def pod_in_a_box(lab_pods: PodFactory) -> Pod:
    """A pod of two hosts that the whole test session shares: leave it as you found it."""
    return lab_pods(hosts=2)
