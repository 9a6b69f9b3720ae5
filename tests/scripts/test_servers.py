"""scripts/servers.sh: real servers for the time of one command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
    processes = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(data.encode() in command for command in processes)
