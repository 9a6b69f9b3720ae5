"""`manage.py placement`, and the knobs of hosts, pods and images on the command line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account
from mcp.events.models import AuditEntry
from pods.models import Host, Image, PlacementWeight, Pod, Refusal
from pods.placement.scores import TERMS


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_weights_are_shown_set_and_put_back(db: None) -> None:
    assert all(term in run("placement", "weights") for term in TERMS)
    run("placement", "weights", "pack=1.5", "balance=0")
    assert dict(PlacementWeight.objects.values_list("term", "weight")) == {"pack": 1.5, "balance": 0.0}
    rows: list[dict[str, Any]] = json.loads(run("placement", "weights", "pack=default", "--json"))
    assert {row["term"]: row["weight"] for row in rows}["pack"] == 0
    assert AuditEntry.objects.filter(action="placement.weights", actor="system").count() == 2


@pytest.mark.parametrize(
    ("word", "said"), [("pack=x", "pack"), ("pack", "TERM"), ("nothing=1", "nothing"), ("pack=101", "0 to 100")]
)
def test_bad_weights_are_one_sentence(db: None, word: str, said: str) -> None:
    with pytest.raises(CommandError, match=said if said != "TERM" else "NAME=VALUE"):
        run("placement", "weights", word)
    assert not PlacementWeight.objects.exists()


def test_refusals_are_listed(db: None) -> None:
    assert "Nothing was refused" in run("placement", "refusals")
    Refusal.objects.create(code="placement.contended", sentence="Others were quicker.", request={"plan": "zone-1g", "count": 2})
    listed = run("placement", "refusals")
    assert "Others were quicker." in listed
    assert "zone-1g" in listed


def test_a_hosts_traits_and_account(pod: Pod, account: Account) -> None:
    said = run("host", "edit", "sim1-h1", "--traits", "ssd,gpu ssd", "--exclusive", "acme")
    host = Host.objects.get(name="sim1-h1")
    assert (host.traits, host.exclusive_account_id) == (["ssd", "gpu"], account.pk)
    assert "ssd, gpu" in said
    assert "ssd gpu" in run("host", "list")
    run("host", "edit", "sim1-h1", "--shared")
    host.refresh_from_db()
    assert (host.traits, host.exclusive_account_id) == (["ssd", "gpu"], None), "what is not said stays"
    run("host", "edit", "sim1-h1", "--traits", "")
    host.refresh_from_db()
    assert host.traits == []
    for bad in (["--traits", "GPU"], ["--exclusive", "nobody"]):
        with pytest.raises(CommandError):
            run("host", "edit", "sim1-h1", *bad)


def test_a_pod_and_an_image(pod: Pod, image: Image) -> None:
    assert "n plus one True" in run("pod", "edit", "sim1", "--n-plus-one", "yes", "--location", "Utrecht")
    pod.refresh_from_db()
    assert (pod.n_plus_one, pod.location) == (True, "Utrecht")
    assert "nothing was given" in run("pod", "edit", "sim1")
    run("pod", "edit", "sim1", "--n-plus-one", "no")
    pod.refresh_from_db()
    assert not pod.n_plus_one
    run("image", "edit", "debian-12", "--require", "kernel-6")
    image.refresh_from_db()
    assert image.required_traits == ["kernel-6"]
    assert "no traits" in run("image", "edit", "debian-12", "--require", "")
