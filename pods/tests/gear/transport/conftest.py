"""A real sshd on 127.0.0.1 with keys of its own, for the time of one test session."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pods.gear.transport import Pool, SshRunner, SshTarget


@dataclass
class Sshd:
    """A running server; `restart` starts it again after `kill`."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> SshTarget:
        host_key = (self.directory / "host.pub").read_text()
        return SshTarget("127.0.0.1", self.port, "root", host_key, str(self.directory / "user"))

    def target_with(self, **changes: Any) -> SshTarget:
        return replace(self.target, **changes)

    def start(self) -> None:
        binary = shutil.which("sshd") or "/usr/sbin/sshd"
        self.process = subprocess.Popen(
            [binary, "-D", "-e", "-f", str(self.directory / "config")], stderr=(self.directory / "log").open("ab")
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self.directory / "log").read_text())

    def sessions(self) -> list[int]:
        """Process ids of the server's children, one or two a connection."""
        assert self.process is not None
        return children_of(self.process.pid)

    def cut_connections(self) -> None:
        """Kill every connection, leaving the server up."""
        for pid in self.sessions():
            subprocess.run(["kill", "-9", str(pid)], check=False)

    def kill(self) -> None:
        if self.process is not None:
            self.cut_connections()
            self.process.kill()
            self.process.wait(10)


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in listed.stdout.split()]


def make_key(path: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    directory = tmp_path_factory.mktemp("sshd")
    make_key(directory / "host")
    make_key(directory / "host-rsa", "rsa")
    make_key(directory / "user")
    (directory / "authorized").write_text((directory / "user.pub").read_text())
    server = Sshd(directory, free_port())
    (directory / "config").write_text(
        f"Port {server.port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nHostKey {directory}/host-rsa\n"
        f"AuthorizedKeysFile {directory}/authorized\nStrictModes no\nUsePAM no\nPidFile none\nMaxStartups 50\n"
        "PermitRootLogin prohibit-password\nSetEnv SHLVL=2\n"  # bash then skips a slow ~/.bashrc
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def pool() -> Iterator[Pool]:
    fresh = Pool()
    yield fresh
    fresh.close_all()


@pytest.fixture
def runner(sshd: Sshd, pool: Pool) -> SshRunner:
    return SshRunner(sshd.target, pool)
