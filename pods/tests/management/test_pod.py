"""`manage.py pod`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from mcp.events.models import AuditEntry
from mcp.secrets import unseal
from pods.models import Network, Pod
from pods.states import PodState

pytestmark = pytest.mark.django_db
Output = pytest.CaptureFixture[str]


def test_add_makes_the_pod_its_network_and_seals_the_key(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    call_command(
        "pod", "add", "ams", "--network", "10.5.0.0/24", "--gateway", "10.5.0.1", "--first", "10.5.0.10", "--last", "10.5.0.20",
        "--ssh-key", str(key), "--resolver", "9.9.9.9", "--cpu-overcommit", "4", "--location", "Amsterdam",
    )  # fmt: skip
    pod = Pod.objects.get(slug="ams")
    network = Network.objects.get(pod=pod)
    assert (pod.cpu_overcommit, pod.resolvers, pod.location) == (4.0, ["9.9.9.9"], "Amsterdam")
    assert (network.cidr, network.size, network.gateway) == ("10.5.0.0/24", 11, "10.5.0.1")
    assert unseal(pod.sealed_ssh_key).startswith("-----BEGIN")
    assert "PRIVATE" not in pod.sealed_ssh_key
    assert AuditEntry.objects.filter(action="pod.add", target_name="ams").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bad slug", "--network", "10.5.0.0/24"], "slug"),
        (["ams", "--network", "10.5.0.1/24"], "cidr"),
        (["ams", "--network", "10.5.0.0/24", "--ssh-key", "/nowhere"], "--ssh-key"),
        (["ams", "--network", "10.5.0.0/24", "--gateway", "10.6.0.1"], "gateway"),
    ],
)
def test_add_names_the_bad_field_and_makes_nothing(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("pod", "add", *arguments)
    assert not Pod.objects.exists()


def test_list_and_show(capsys: Output) -> None:
    call_command("pod", "list")
    assert "no pod yet" in capsys.readouterr().out
    call_command("pod", "add", "ams", "--network", "10.5.0.0/24")
    call_command("pod", "list", "--json")
    out = capsys.readouterr().out
    rows = json.loads(out[out.index("[") :])
    assert rows == [
        {"pod": "ams", "state": "open", "location": "", "hosts": 0, "guests": 0, "memory_mib": "0/0", "disk_gib": "0/0"}
    ]
    call_command("pod", "show", "ams")
    assert "public 10.5.0.0/24 on br0" in capsys.readouterr().out


@pytest.mark.parametrize(("verb", "state"), [("close", PodState.CLOSED), ("drain", PodState.DRAINING), ("open", PodState.OPEN)])
def test_state_verbs_are_repeatable(verb: str, state: PodState) -> None:
    call_command("pod", "add", "ams", "--network", "10.5.0.0/24")
    for _ in range(2):
        call_command("pod", verb, "ams")
    assert Pod.objects.get(slug="ams").state == state
    assert AuditEntry.objects.filter(action="pod.state").count() == (0 if verb == "open" else 1)


def test_unknown_pod_is_refused_with_those_there_are() -> None:
    call_command("pod", "add", "ams", "--network", "10.5.0.0/24")
    with pytest.raises(CommandError, match="there are: ams"):
        call_command("pod", "close", "nyc")
