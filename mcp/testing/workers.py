"""pytest plugin: tests that run side by side (pytest-xdist, `--dist loadscope`), their groups and their servers.

Pods in a box are few at a time, or the machine is too slow for their tests; what takes long to start is shared. So the tests
of some files stay together, on one worker. All others go, one by one, wherever a worker is free.

Tests restart PostgreSQL, fill Redis with messages, and truncate tables. So each worker has throw-away servers of its own,
wherever scripts/servers.sh made those of the run; the first worker takes over these. Servers that somebody named by hand are
shared: pytest-django gives each worker a database of its own there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("MCP_DATABASE_URL", "MCP_BROKER_URL", "MCP_TEST_PGDATA")
STOP_LIMIT_S = 30
# The first prefix of a test's path that fits names its group. The two with pods in a box take about the same time.
GROUPS = (
    ("tests/scenarios/test_first_path.py", "box 2"),
    ("tests/scenarios/", "box 1"),
    ("pods/tests/gear/hypervisor/test_lxc", "box 2"),
    ("pods/tests/images/test_boot.py", "box 2"),
    ("lab/tests/test_pod.py", "box 2"),
    ("lab/tests/test_main.py", "box 2"),
    ("demo/tests/test_real.py", "box 2"),
    ("demo/tests/test_up_down.py", "servers and browsers"),
    ("tests/browser/", "servers and browsers"),
)
_servers: subprocess.Popen[str] | None = None


def group_of(nodeid: str) -> str:
    """The group of a test, or the test itself."""
    return next((group for prefix, group in GROUPS if nodeid.startswith(prefix)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out groups, the largest first. (`--dist loadgroup` does the same by marks, but not with this version of pytest.)"""
    from xdist.scheduler import LoadScopeScheduling

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = group_of
    return scheduler


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nobody forgets the table."""
    for item in items:
        heavy = any(item.get_closest_marker(name) for name in ("lab", "browser"))
        if heavy and group_of(item.nodeid) == item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} needs a group: add its file to GROUPS in {Path(__file__).relative_to(ROOT)}")


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
