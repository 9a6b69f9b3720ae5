"""The command line by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.pod import Pod


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lab", *arguments])
    return main()


def test_no_pod_is_an_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "status", "nothere", "--state-dir", str(tmp_path)) == 1
    assert "`python -m lab up` builds one" in capsys.readouterr().err


def test_a_bad_name_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "up", "No-Good") == 1
    assert "'No-Good'" in capsys.readouterr().err


@pytest.mark.lab
def test_status_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pod_in_a_box: Pod) -> None:
    assert run(monkeypatch, "status", pod_in_a_box.name, "--state-dir", str(pod_in_a_box.state_dir), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [host["running"] for host in facts["hosts"]] == [True, True]
    assert facts["gateway"] == str(pod_in_a_box.gateway)
    assert facts["hosts"][0]["host_key"] == pod_in_a_box.hosts[0].host_key


@pytest.mark.lab
def test_exec_and_ssh_pass_the_exit_code_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], pod_in_a_box: Pod
) -> None:
    where = [pod_in_a_box.name, "--state-dir", str(pod_in_a_box.state_dir), "h1", "--"]
    assert run(monkeypatch, "host", "exec", *where, "sh", "-c", "hostname; exit 7") == 7
    assert run(monkeypatch, "host", "ssh", *where, "hostname; exit 8") == 8
    assert capfd.readouterr().out.split() == ["h1", "h1"]


@pytest.mark.lab
def test_host_verbs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pod_in_a_box: Pod) -> None:
    where = [pod_in_a_box.name, "--state-dir", str(pod_in_a_box.state_dir)]
    for verb, shown in (("cut", "running, cut off"), ("heal", "running"), ("stop", "off"), ("start", "running")):
        assert run(monkeypatch, "host", verb, *where, "h2") == 0
        assert run(monkeypatch, "status", *where) == 0
        assert f"{pod_in_a_box.host('h2').address}  {shown}, " in capsys.readouterr().out
