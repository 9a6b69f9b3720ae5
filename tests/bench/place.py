"""Where benchmarks run: a fresh PostgreSQL and Redis (scripts/with-servers.sh), the API and workers as processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from django.conf import settings

from accounts.models import Account, User
from accounts.services.api_keys import issue
from tests.servers import free_port
from tests.stack import ROOT, until


@dataclass(frozen=True)
class Api:
    """A running API with a key of the benchmark's account."""

    url: str
    client: httpx.Client
    pids: tuple[int, ...]


def _environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "MCP_LOG_LEVEL": "WARNING", "MCP_THROTTLE_READ": "1000000", "MCP_THROTTLE_WRITE": "1000000", **extra}


@contextlib.contextmanager
def serving(account: Account, user: User, *, directory: Path, work: bool = True, threads: int = 16) -> Iterator[Api]:
    """gunicorn and, unless only answers are measured, workers and the clock, as in production; ended on the way out."""
    port = free_port()
    environment = _environment(MCP_BIND=f"127.0.0.1:{port}", MCP_WEB_WORKERS="1")
    commands = [
        [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"), "mcp.wsgi"],
        _worker("mcp", threads),
        _worker(settings.WATCH_QUEUE, settings.WATCH_THREADS),
        [sys.executable, "-m", "celery", "-A", "mcp", "beat", "-l", "WARNING"],
    ]
    with (directory / "processes.log").open("wb") as log:
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for command in (commands if work else commands[:1])
        ]
    try:
        until(lambda: _listens(port), within_s=60, what="the API")
        key = issue(account=account, user=user, name=f"bench-{port}")[1]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=120
        ) as client:
            yield Api(f"http://127.0.0.1:{port}", client, tuple(process.pid for process in processes))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
                continue
            process.kill()


def _worker(queue: str, threads: int) -> list[str]:
    return [
        sys.executable, "-m", "celery", "-A", "mcp", "worker", "-P", "threads", "-c", str(threads), "-Q", queue,
        "-n", f"{queue}@%h", "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING",
    ]  # fmt: skip


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def cpu_seconds(pids: tuple[int, ...]) -> float:
    """User and system time of processes and their children so far (proc(5), stat fields 14 and 15 of each)."""
    return sum(_cpu_of(pid) for root in pids for pid in [root, *_children(root)])


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [child for number in found for child in (int(number), *_children(int(number)))]


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def reachable(address: str, port: int, within_s: float = 30.0) -> float:
    """When the port of a guest accepted a connection, by the monotonic clock."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return time.monotonic()
        time.sleep(0.005)
    raise TimeoutError(f"{address}:{port} did not answer within {within_s:g} s")


def image_dir() -> Path:
    """Where built images are kept."""
    return Path(settings.IMAGE_DIR)
