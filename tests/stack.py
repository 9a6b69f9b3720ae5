"""A real control plane for scenarios: workers and beat as processes of their own, on the test's database and broker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
# Short leases and sweeps, so that a take-over does not have to be waited for.
QUICK = {
    "MCP_LEASE_S": "2",
    "MCP_HEARTBEAT_S": "0.5",
    "MCP_SWEEP_S": "0.5",
    "MCP_HOST_HEARTBEAT_S": "1",
    "MCP_HOST_UNREACHABLE_AFTER": "2",
    "MCP_RECONCILE_S": "2",
    "MCP_BACKOFF_FIRST_S": "0.1",
    "MCP_BACKOFF_MOST_S": "1",
    "MCP_ADDRESS_QUARANTINE_S": "0",
}


def until(condition: Callable[[], bool], *, within_s: float = 60.0, every_s: float = 0.05, what: str = "") -> None:
    """Wait for a condition with a limit. Raises AssertionError naming what was waited for."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what or condition}"
        time.sleep(every_s)


def database_url() -> str:
    """The test's own database, as another process may reach it."""
    row = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{row['NAME']}"
    credentials = f"{row['USER']}:{row['PASSWORD']}@" if row.get("PASSWORD") else f"{row['USER']}@" if row["USER"] else ""
    host = quote(row["HOST"] or "localhost", safe="")  # a directory of sockets is a host, too
    return f"postgres://{credentials}{host}{f':{port}' if (port := row['PORT']) else ''}/{row['NAME']}"


@dataclass
class Stack:
    """Worker and beat processes; what is killed is started again only when asked."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def _start(self, name: str, *arguments: str) -> None:
        environment = {
            **os.environ,
            **QUICK,
            "MCP_DATABASE_URL": database_url(),
            "MCP_BROKER_URL": settings.BROKER_URL,
            "MCP_VAR_DIR": str(settings.VAR_DIR),
            "MCP_IMAGE_DIR": str(settings.IMAGE_DIR),
            **self.environment,
        }
        with (self.directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "mcp", *arguments],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start_worker(self, name: str = "worker", *, threads: int = 8, queue: str = "mcp") -> None:
        """One worker with a pool of threads."""
        self._start(
            name, "worker", "-P", "threads", "-c", str(threads), "-Q", queue, "-n", f"{name}@%h",
            "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING",
        )  # fmt: skip

    def start_watch(self) -> None:
        """The worker that sweeps, asks hosts for heartbeats, and reconciles when the clock says so."""
        self.start_worker("watch", threads=settings.WATCH_THREADS, queue=settings.WATCH_QUEUE)

    def start_beat(self) -> None:
        """The clock."""
        self._start("beat", "beat", "-l", "WARNING")

    def kill(self, name: str = "worker") -> None:
        """kill -9, and nothing else gets a chance."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        """End everything that was started."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
                continue
            process.kill()
            process.wait(10)
        self._running.clear()

    def log(self, name: str = "worker") -> str:
        """What a process printed."""
        return (self.directory / f"{name}.log").read_text(errors="replace")


@contextlib.contextmanager
def running_stack(directory: Path, **environment: str) -> Iterator[Stack]:
    """A stack with a worker, the watch and the clock; everything is ended on the way out."""
    stack = Stack(directory, environment)
    try:
        stack.start_beat()
        stack.start_watch()
        stack.start_worker()
        yield stack
    finally:
        stack.stop()
