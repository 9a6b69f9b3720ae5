"""The server process: started in the background, recognised again by its pid *and* start time, ended by SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.places import ROOT, Places

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 40.0  # above gunicorn's graceful_timeout


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    pid: int
    started: int  # clock ticks since boot; a pid that was given out again has another
    port: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _started(self.pid) == self.started


def _started(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def running(places: Places) -> Server | None:
    """The server that an earlier run started, if it lives."""
    try:
        server = Server(**json.loads(places.pid_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return server if server.alive else None


def ensure(places: Places, port: int) -> str:
    """A server that answers on the port; answers what had to be done. Raises DemoError."""
    present = running(places)
    if present is not None and present.port == port and answers(port):
        return f"runs already (pid {present.pid})"
    if present is not None:
        stop(places)
    _demand_free(port)
    server = _start(places, port)
    _await(places, server)
    return f"pid {server.pid}"


def _start(places: Places, port: int) -> Server:
    places.log.parent.mkdir(parents=True, exist_ok=True)
    places.pid_file.parent.mkdir(parents=True, exist_ok=True)
    with places.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "MCP_VAR_DIR": str(places.var)},
        )  # fmt: skip
    server = Server(process.pid, _started(process.pid) or 0, port)
    facts = {"pid": server.pid, "started": server.started, "port": port}
    places.pid_file.write_text(json.dumps(facts) + "\n")
    return server


def _await(places: Places, server: Server) -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline and server.alive:
        if answers(server.port):
            return
        time.sleep(0.05)
    end = "\n".join(places.log.read_text(errors="replace").splitlines()[-15:])
    raise DemoError(f"The server did not get ready:\n{end}", f"The whole log is {places.log}; then run `make up` again.")


def answers(port: int) -> bool:
    """Whether a server of ours says on that port that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _demand_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            remedy = f"Choose another one: make up PORT={port + 1}"
            raise DemoError(f"Port {port} is taken ({error.strerror}).", remedy) from error


def stop(places: Places) -> bool:
    """End the server if it runs, at first kindly; answers whether it did. Processes of others are never touched."""
    server = running(places)
    if server is not None:
        _end(server)
    places.pid_file.unlink(missing_ok=True)
    return server is not None


def _end(server: Server) -> None:
    os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    while server.alive and time.monotonic() < deadline:
        _reap(server.pid)
        time.sleep(0.02)
    if server.alive:
        os.killpg(server.pid, signal.SIGKILL)  # it leads its own process group: the worker process goes with it


def _reap(pid: int) -> None:
    """Take the exit status of a child, so that it does not linger; the server is one only within one `make up`."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
