"""Throw-away servers for scenarios that stop and start them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kombu.pools

from mcp.celery import app
from tests.stack import until


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Redis:
    """A broker of the test's own, on a port that it keeps over restarts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For MCP_BROKER_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start empty: what it held before is lost, as after a crash of a broker without persistence."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, within_s=10, what="redis-server")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def own_broker(directory: Path) -> Iterator[Redis]:
    """A Redis of the test's own, which this process publishes to as well."""
    redis, before = Redis(directory), app.conf.broker_url
    redis.start()
    try:
        _publish_to(redis.url)
        yield redis
    finally:
        _publish_to(before)
        redis.kill()


def _publish_to(url: str) -> None:
    app.conf.update(broker_url=url, broker_write_url=url, broker_read_url=url)
    # Celery keeps its pools for the life of a process; a broker that changes under it is a test's affair alone.
    setattr(app.amqp, "_producer_pool", None)  # noqa: B010  (private: no attribute for types)
    setattr(app, "_pool", None)  # noqa: B010  (private: no attribute for types)
    kombu.pools.reset()


def restart_postgresql() -> None:
    """Crash and restart the server under test: `pg_ctl restart -m immediate`, as after a power cut.

    `MCP_TEST_PGDATA` names the data directory of a server that belongs to the tests.
    """
    data = os.environ["MCP_TEST_PGDATA"]
    tools = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1]
    command = ["setpriv", f"--reuid={Path(data).stat().st_uid}", f"--regid={Path(data).stat().st_gid}", "--clear-groups"]
    arguments = ["restart", "-D", data, "-m", "immediate", "-w", "-t", "30", "-l", f"{data}/restart.log"]
    subprocess.run([*command, str(tools), *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL, cwd="/")
