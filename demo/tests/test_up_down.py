"""`make up` and `make down` on a simulated pod, with the real embedded server as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.server import running
from demo.tests.stand import Stand, free_port, wait_until
from pods.gear.simulated import SimulatedPod

pytestmark = pytest.mark.slow  # its server brings its own database, so once is enough: `make test` runs it with everything

HANDED_OVER = {
    "MCP_URL", "MCP_API_KEY", "MCP_OPERATOR_KEY", "MCP_SSH_KEY", "MCP_PORTAL_USER", "MCP_PORTAL_PASSWORD", "MCP_OPERATOR_USER",
    "MCP_OPERATOR_PASSWORD",
}  # fmt: skip


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One that is up; tests leave it up."""
    stand = Stand(tmp_path_factory.mktemp("demo"), free_port())
    try:
        first = stand.up()
        assert first.returncode == 0, first.stdout + first.stderr
        stand.said = first.stdout  # type: ignore[attr-defined]  # for the one test that reads it
        yield stand
    finally:
        stand.demo("down", "--purge")


@pytest.fixture
def slow_hosts(stand: Stand) -> Iterator[None]:
    """Booting takes a while, so that there is a middle to interrupt."""
    hosts = SimulatedPod.named(str(stand.places.simulated)).hosts()
    for host in hosts:
        host.delay("start", 2.0)
    yield
    for host in hosts:
        host.delay("start", 0.0)


def test_it_says_what_was_done_and_what_is_simulated(stand: Stand) -> None:
    said = stand.said  # type: ignore[attr-defined]  # see the fixture
    for word in ("machines", "database", "server", "images", "first accelerator", "The pod is simulated, because"):
        assert word in said
    handover = stand.handover
    assert f"{handover['MCP_PORTAL_USER']} / {handover['MCP_PORTAL_PASSWORD']}" in said


def test_the_handover_is_complete_private_and_can_be_sourced(stand: Stand) -> None:
    assert set(stand.handover) == HANDED_OVER
    assert stat.S_IMODE(stand.places.handover.stat().st_mode) == 0o600
    assert stat.S_IMODE(stand.places.settings.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(stand.handover["MCP_SSH_KEY"]).stat().st_mode) == 0o600
    assert stand.handover["MCP_URL"] == f"http://127.0.0.1:{stand.port}"


def test_the_first_accelerator_runs_and_the_doctor_is_content(stand: Stand) -> None:
    assert stand.call("GET", "/api/v1/accelerators/first")["state"] == "running"
    doctor = stand.manage("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "FAIL" not in doctor.stdout


def test_metrics_with_the_operators_key(stand: Stand) -> None:
    metrics = stand.call("GET", "/metrics", key="MCP_OPERATOR_KEY")
    assert "mcp_workers 1.0" in metrics
    assert 'mcp_http_requests_total{method="GET",route="readyz",status="200"}' in metrics


def test_a_second_run_reuses_everything_and_is_quick(stand: Stand) -> None:
    handover, pid = stand.handover, stand.server.pid
    began = time.monotonic()
    again = stand.up()
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - began < 15  # two seconds where nothing else runs
    assert "runs already" in again.stdout
    assert (stand.handover, stand.server.pid) == (handover, pid)
    assert len(stand.call("GET", "/api/v1/accelerators")["results"]) >= 1


def test_killing_the_worker_in_the_middle_loses_nothing(stand: Stand, slow_hosts: None) -> None:
    operation = stand.create("kept")
    wait_until(lambda: stand.at_step(operation, "start"), 20, "the operation boots the guest")
    killed = stand.worker_pid()
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: stand.settled(operation), 60, "the operation settles") == "succeeded"
    assert stand.worker_pid() not in (0, killed)
    assert stand.call("GET", "/api/v1/accelerators/kept")["state"] == "running"
    assert "mcp_lease_takeovers_total 1.0" in stand.call("GET", "/metrics", key="MCP_OPERATOR_KEY")


def test_sigterm_in_the_middle_is_clean_and_the_next_run_goes_on(stand: Stand, slow_hosts: None) -> None:
    operation = stand.create("parked")
    wait_until(lambda: stand.at_step(operation, "start"), 20, "the operation boots the guest")
    size = stand.places.log.stat().st_size
    down = stand.demo("down")
    assert down.returncode == 0, down.stderr
    told = stand.places.log.read_bytes()[size:].decode()
    assert "Traceback" not in told
    assert "worker_cut_short" not in told
    up = stand.up()
    assert up.returncode == 0, up.stdout + up.stderr
    assert wait_until(lambda: stand.settled(operation), 60, "the operation settles") == "succeeded"


def test_what_died_is_restarted(stand: Stand) -> None:
    dead = stand.server.pid
    os.killpg(dead, signal.SIGKILL)
    wait_until(lambda: running(stand.places) is None, 10, "the server is dead")
    up = stand.up()
    assert up.returncode == 0, up.stdout + up.stderr
    assert stand.server.pid != dead
    assert stand.call("GET", "/api/v1/accelerators/first")["state"] == "running"


def test_an_accelerator_that_was_stopped_is_started_again(stand: Stand) -> None:
    found = stand.call("GET", "/api/v1/accelerators/first")
    stopping = stand.call("POST", f"/api/v1/accelerators/{found['id']}/stop", {})
    wait_until(lambda: stand.settled(stopping["operation"]["id"]), 30, "it stops")
    assert stand.up().returncode == 0
    assert stand.call("GET", "/api/v1/accelerators/first")["state"] == "running"


def test_a_taken_port_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        stand = Stand(tmp_path, port)
        try:
            up = stand.up()
        finally:
            stand.demo("down", "--purge")
    assert up.returncode == 1
    assert f"make up PORT={port + 1}" in up.stderr


def test_down_leaves_no_process_and_purge_no_data(tmp_path: Path) -> None:
    stand = Stand(tmp_path, free_port())
    try:
        assert stand.up().returncode == 0
        pids = [stand.server.pid, stand.worker_pid()]
    finally:
        down = stand.demo("down", "--purge")
    assert down.returncode == 0
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 10, "no process is left")
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["log/server.log"]
    assert stand.demo("down").returncode == 0  # repeatable
