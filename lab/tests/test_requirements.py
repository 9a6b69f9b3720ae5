"""What a machine lacks is told in one sentence; nothing is changed by asking."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab import cgroups, fixtures, requirements
from lab.errors import LabError


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that has everything."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/bin/{name}")
    monkeypatch.setattr(requirements, "_file_systems", list)
    monkeypatch.setattr(requirements, "_devices", list)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (cgroups.Hierarchy(Path("/"), 2, "rw"),))
    return monkeypatch


def test_a_capable_machine_lacks_nothing(capable: pytest.MonkeyPatch) -> None:
    assert requirements.reason() == ""
    requirements.check_machine()


def test_without_root_that_is_the_reason(capable: pytest.MonkeyPatch) -> None:
    capable.setattr(os, "geteuid", lambda: 1000)
    assert requirements.reason() == "the pod in a box cannot run on this machine, which lacks root (run it as root or with sudo)"
    with pytest.raises(LabError, match="sudo"):
        requirements.check_machine()


def test_a_missing_program_names_its_package(capable: pytest.MonkeyPatch) -> None:
    capable.setattr(shutil, "which", lambda name, path: None if name in ("lxc-start", "unshare") else name)
    assert requirements.missing_packages() == ("lxc", "util-linux")
    assert "apt-get install lxc" in requirements.reason()


def test_without_cgroups(capable: pytest.MonkeyPatch) -> None:
    capable.setattr(cgroups, "hierarchies", tuple)
    assert "cgroups below /sys/fs/cgroup" in requirements.reason()


class TestFixtures:
    """A missing lab is a skip, or a failure where it is required."""

    @pytest.fixture(autouse=True)
    def _impossible(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(requirements, "reason", lambda: "no loop devices here")

    def test_skip(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MCP_REQUIRE", raising=False)
        with pytest.raises(pytest.skip.Exception, match="no loop devices here"):
            fixtures.skip_or_fail_unless_possible()

    def test_failure_where_required(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MCP_REQUIRE", "postgres,lab,browser")
        with pytest.raises(pytest.fail.Exception, match="no loop devices here"):
            fixtures.skip_or_fail_unless_possible()
