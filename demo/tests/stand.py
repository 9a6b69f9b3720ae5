"""A demonstration of its own for tests: `python -m demo up` in a directory and on a port that nobody else has."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import envfile
from demo.places import ROOT, Places
from demo.server import Server, running

# Leases that run out soon, so that a test need not wait for the usual quarter of a minute.
FAST = {"MCP_LEASE_S": "3", "MCP_HEARTBEAT_S": "0.5", "MCP_SWEEP_S": "0.5", "MCP_RECONCILE_S": "3"}
UNWANTED = ("MCP_DATABASE_URL", "MCP_BROKER_URL", "MCP_MODE", "MCP_URL", "MCP_SECRET_KEY", "MCP_FIELD_KEYS", "SUDO_UID")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], limit_s: float, what: str) -> Any:
    """The first true answer of a condition; fails the test after the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {limit_s:g} s: {what}")


@dataclass
class Stand:
    """One demonstration."""

    var: Path
    port: int
    simulate: bool = True

    @property
    def places(self) -> Places:
        """Its files."""
        return Places(self.var)

    @property
    def environment(self) -> dict[str, str]:
        """For its commands: nothing of ours but what is meant."""
        inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        return {**inherited, **FAST, "MCP_VAR_DIR": str(self.var)}

    def demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m demo ...`."""
        return self._run(["-m", "demo", *arguments], 300)

    def up(self) -> subprocess.CompletedProcess[str]:
        """`make up`, without the installing."""
        return self.demo("up", "--port", str(self.port), *(["--simulate"] if self.simulate else []))

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`./manage.py ...`."""
        return self._run(["manage.py", *arguments], 60)

    def _run(self, arguments: list[str], limit_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=limit_s,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def handover(self) -> dict[str, str]:
        """`mcp.env`."""
        return envfile.read(self.places.handover)

    @property
    def server(self) -> Server:
        """The running server."""
        server = running(self.places)
        assert server is not None
        return server

    def worker_pid(self) -> int:
        """gunicorn's child, where web, worker and clock live."""
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str = "MCP_API_KEY") -> Any:
        """One request; the parsed answer, or the text where it is no JSON. Raises OSError while the server is away."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.handover[key]}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            raw = answer.read()
        try:
            return json.loads(raw)
        except ValueError:
            return raw.decode()

    def operation(self, operation_id: str) -> dict[str, Any]:
        """An operation as it is now; empty while the server is away."""
        try:
            found: dict[str, Any] = self.call("GET", f"/api/v1/operations/{operation_id}")
        except OSError:
            return {}
        return found

    def create(self, name: str) -> str:
        """Ask for an accelerator; answers its operation's id."""
        wish = {"name": name, "plan": "zone-256m", "image": "busybox"}
        return str(self.call("POST", "/api/v1/accelerators", wish)["operation"]["id"])

    def at_step(self, operation_id: str, step: str) -> bool:
        """Whether the operation is in the middle of a step."""
        steps = {item["name"]: item["state"] for item in self.operation(operation_id).get("steps", [])}
        return steps.get(step) == "acting"

    def settled(self, operation_id: str) -> str:
        """How the operation ended; empty while it goes on."""
        state = str(self.operation(operation_id).get("state", ""))
        return state if state in ("succeeded", "failed", "cancelled", "needs_attention") else ""
