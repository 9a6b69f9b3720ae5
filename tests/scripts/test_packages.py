"""scripts/packages.sh installs what is missing and nothing else; stand-ins for apt and dpkg write down how they are called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


class Machine:
    """A directory of stand-ins in front of PATH."""

    def __init__(self, directory: Path, uid: int) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.calls = directory / "calls"
        self.wanted = directory / "packages.txt"
        self.program("id", f"echo {uid}")
        self.program("dpkg-query", 'case "$4" in there) echo "ii ";; half) echo "rc ";; *) exit 1;; esac')
        self.program("apt-get", f'echo "$@" >> {self.calls}')
        self.program("tee", "cat > /dev/null")
        self.program("chmod", "true")
        self.program("sudo", "exit 1")

    def program(self, name: str, text: str) -> None:
        """Put a stand-in."""
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def install(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run the script on a list."""
        self.wanted.write_text(text)
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        command = ["sh", str(SCRIPTS / "packages.sh"), str(self.wanted)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)

    def called(self) -> list[str]:
        """How apt-get was called."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def root(tmp_path: Path) -> Machine:
    """With root."""
    return Machine(tmp_path, 0)


def test_nothing_missing_costs_no_update(root: Machine) -> None:
    run = root.install("# comment\nthere  # why\n\n")
    assert (run.returncode, run.stdout, root.called()) == (0, "", [])


def test_only_what_is_missing_is_installed_without_recommendations(root: Machine) -> None:
    run = root.install("there\nabsent\nhalf\n")
    assert run.returncode == 0, run.stderr
    assert root.called() == ["update -q", "install -y -q --no-install-recommends absent half"]


def test_a_failure_shows_what_apt_said(root: Machine) -> None:
    root.program("apt-get", 'echo "E: no such package"; exit 100')
    run = root.install("absent\n")
    assert run.returncode == 1
    assert "E: no such package" in run.stderr
    assert "run the same again" in run.stderr


def test_without_root_or_sudo_it_says_what_to_type(tmp_path: Path) -> None:
    run = Machine(tmp_path, 1000).install("absent\nother\n")
    assert run.returncode == 3
    assert "sudo apt-get install absent other" in run.stderr


def test_the_lists_name_each_package_once() -> None:
    for file in SCRIPTS.glob("packages-*.txt"):
        names = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        assert names == sorted(set(names)), file.name
