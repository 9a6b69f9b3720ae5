"""pytest plugin: servers for tests that run side by side (pytest-xdist).

Tests restart PostgreSQL, fill Redis with messages, and truncate tables. So each worker has throw-away servers of its own,
wherever scripts/servers.sh made those of the run; the first worker takes over these. Servers that somebody named by hand are
shared: pytest-django gives each worker a database of its own there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("MCP_DATABASE_URL", "MCP_BROKER_URL", "MCP_TEST_PGDATA")
STOP_LIMIT_S = 30
_servers: subprocess.Popen[str] | None = None


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None]:
    """Before Django reads its settings from the environment."""
    global _servers
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0" and os.environ.get("MCP_TEST_PGDATA"):
        _servers, environment = start()
        os.environ.update(environment)
    return (yield)


def pytest_unconfigure() -> None:
    """Stop them."""
    if _servers is not None:
        stop(_servers)


def start() -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Servers that run until `stop`, or until this process is gone; and the variables that name them."""
    script = f'printf "%s\\n" {" ".join(f"${name}" for name in NAMES)}; exec cat'
    process = subprocess.Popen(
        [str(ROOT / "scripts" / "servers.sh"), "sh", "-c", script],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    values = [process.stdout.readline().strip() for _ in NAMES]
    assert all(values), "scripts/servers.sh could not start the servers of this worker"
    return process, dict(zip(NAMES, values, strict=True))


def stop(process: subprocess.Popen[str]) -> None:
    """End what `start` started: it waits for the end of its input."""
    process.communicate(timeout=STOP_LIMIT_S)
