"""The parts of `make up` that need no server."""

from __future__ import annotations

import http.server
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import envfile, secrets, server
from demo.errors import DemoError
from demo.first import Api, await_port
from demo.machine import prepare, put_away
from demo.places import ROOT, Places
from demo.progress import Progress
from lab import requirements


def test_env_files_survive_odd_values_and_a_shell(tmp_path: Path) -> None:
    values = {"MCP_A": "plain", "MCP_B": "two words", "MCP_C": "it's $HOME `x`", "MCP_D": ""}
    file = tmp_path / "deep" / "x.env"
    envfile.write(file, values, export=True, comment="hello")
    assert envfile.read(file) == values
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    script = f'. "{file}"; sh -c \'printf "%s|" "$MCP_A" "$MCP_B" "$MCP_C" "$MCP_D"\''
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout == "plain|two words|it's $HOME `x`||"


def test_writing_again_keeps_the_mode_and_leaves_nothing_beside(tmp_path: Path) -> None:
    file = tmp_path / "x.env"
    for value in ("1", "2"):
        envfile.write(file, {"MCP_A": value})
    assert envfile.read(file) == {"MCP_A": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["x.env"]
    assert envfile.read(tmp_path / "none") == {}


def test_secrets_are_made_once_and_the_address_follows_the_port(tmp_path: Path) -> None:
    places = Places(tmp_path)
    first = secrets.ensure_settings(places, 8000)
    second = secrets.ensure_settings(places, 9000)
    assert second == {**first, "MCP_URL": "http://127.0.0.1:9000"}
    assert len(first["MCP_SECRET_KEY"]) >= 50
    assert secrets.ensure_ssh_key(places) == secrets.ensure_ssh_key(places)
    assert stat.S_IMODE(places.ssh_key.stat().st_mode) == 0o600


def test_two_checkouts_never_meet(tmp_path: Path) -> None:
    one, two = Places(tmp_path / "one"), Places(tmp_path / "two")
    assert one.lab_name != two.lab_name
    assert len(one.lab_name) <= 8
    assert one.lab_subnet.startswith("10.78.")


def test_without_root_the_pod_is_simulated_and_the_reason_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "reason", lambda: "this machine lacks root")
    ground = prepare(Places(tmp_path))
    assert ground.simulated == "this machine lacks root"
    assert [machine.driver for machine in ground.machines] == ["simulated", "simulated"]
    put_away(Places(tmp_path), forget=True)  # nothing to put away is fine


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"pid": 1}', '{"pid": 1, "started": 1, "port": 2}'])
def test_a_pid_file_that_names_somebody_else_is_not_believed(tmp_path: Path, text: str) -> None:
    places = Places(tmp_path)
    places.pid_file.parent.mkdir(parents=True)
    places.pid_file.write_text(text)
    assert server.running(places) is None
    assert server.stop(places) is False  # and process 1 lives on
    assert not places.pid_file.exists()


def test_a_pid_is_ours_only_with_its_start_time(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        started = server._started(sleeper.pid)
        assert started is not None
        assert server.Server(sleeper.pid, started, 1).alive
        assert not server.Server(sleeper.pid, started + 1, 1).alive
    finally:
        sleeper.kill()
        sleeper.wait()
    assert not server.Server(sleeper.pid, started, 1).alive


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(tmp_path)
    places.log.parent.mkdir(parents=True)
    places.log.write_text("it went wrong\n")
    with pytest.raises(DemoError, match="it went wrong"):
        server._await(places, server.Server(2**22, 1, 1))


@pytest.fixture
def refusing_api() -> Iterator[str]:
    """A server that answers every POST with a problem, and GETs by the number in the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(int(self.path.rpartition("/")[2]), b'{"id": "x"}')

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(409, b'{"detail": "There is no room."}')

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_the_api_caller_tells_gone_from_broken(refusing_api: str) -> None:
    api = Api(refusing_api, "key")
    assert api.get("/200") == {"id": "x"}
    assert api.get("/404") is None
    assert api.get("/410") is None
    with pytest.raises(DemoError, match="answered 503"):
        api.get("/503")
    with pytest.raises(DemoError, match="no room") as refused:
        api.post("/accelerators", {}, "key")
    assert "make up" in refused.value.remedy
    with pytest.raises(DemoError, match="does not answer"):
        Api("http://127.0.0.1:1", "key").get("/x")


def test_waiting_for_a_port_wants_a_greeting_and_has_a_limit() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = int(listener.getsockname()[1])

        def greet() -> None:
            link, _ = listener.accept()
            link.sendall(b"SSH-2.0-x\r\n")
            link.close()

        threading.Thread(target=greet, daemon=True).start()
        await_port("127.0.0.1", port, limit_s=10)
    with pytest.raises(DemoError, match="port 1 "):
        await_port("127.0.0.1", 1, limit_s=0.2)


def test_progress_tells_failures_too(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.step("one") as told:
        progress.tell("half way", 0.5)
        progress.tell("half way", 0.6)
        told.append("fine")
    with pytest.raises(ZeroDivisionError), progress.step("two"):
        _ = 1 / 0
    out = capsys.readouterr().out
    assert out.count("half way") == 1
    assert "one: fine" in out
    assert "failed two" in out


def test_an_error_is_a_sentence_and_a_remedy(tmp_path: Path) -> None:
    broken = tmp_path / "settings.env"
    broken.write_text("MCP_SWEEP_S=often\n")
    run = subprocess.run(
        [sys.executable, "-m", "demo", "up", "--simulate", "--port", "1"], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "MCP_VAR_DIR": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "MCP_SWEEP_S must be a number" in run.stderr
    assert "Traceback" not in run.stderr
