"""scripts/servers.sh: real servers for the time of one command."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis

from mcp.testing import workers

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "servers.sh"
ASK = """
.venv/bin/python -c '
import os, psycopg, redis
with psycopg.connect(os.environ["MCP_DATABASE_URL"]) as link:
    print(link.execute("select 40 + 2").fetchone()[0])
print(redis.Redis.from_url(os.environ["MCP_BROKER_URL"]).ping())
print(os.environ["MCP_TEST_PGDATA"])
'
exit 7
"""

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


def test_both_answer_the_exit_code_is_kept_and_nothing_is_left() -> None:
    run = subprocess.run(["sh", str(SCRIPT), "sh", "-c", ASK], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 7, run.stderr
    answer, pong, data = run.stdout.split()
    assert (answer, pong) == ("42", "True")
    assert not Path(data).parent.exists()
    assert not processes_on(data)


def test_workers_side_by_side_get_servers_of_their_own() -> None:
    process, names = workers.start()
    try:
        with psycopg.connect(names["MCP_DATABASE_URL"]) as link:
            assert link.execute("show data_directory").fetchone() == (names["MCP_TEST_PGDATA"],)
        assert redis.Redis.from_url(names["MCP_BROKER_URL"]).ping()
        assert names["MCP_DATABASE_URL"] != os.environ["MCP_DATABASE_URL"]
        assert processes_on(names["MCP_TEST_PGDATA"])
    finally:
        workers.stop(process)
    assert process.returncode == 0
    assert not processes_on(names["MCP_TEST_PGDATA"])


def processes_on(data: str) -> list[bytes]:
    """Command lines that name the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended while we looked
            found.append(path.read_bytes())
    return [command for command in found if data.encode() in command]
