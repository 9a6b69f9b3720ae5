"""`manage.py whatif`."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accelerators.testing.make import ask_for
from accounts.actor import Actor
from pods.models import Pod

Output = pytest.CaptureFixture[str]


@pytest.fixture
def guests(actor: Actor, pod: Pod) -> None:
    ask_for(actor, "web", count=6)
    ask_for(actor, "db", count=2, spread="host")


def said(capsys: Output, *options: str) -> str:
    capsys.readouterr()
    call_command("whatif", *options)
    return capsys.readouterr().out


def test_without_a_question_it_tells_how_things_stand(guests: None, capsys: Output) -> None:
    out = said(capsys)
    assert out.startswith("Nothing is supposed: 2 hosts as they are.")
    assert "Pods then:" in out
    assert "Not enough history: 0 samples" in out
    assert "N+1 of sim1: the loss of 0 of 2 hosts could be absorbed." in out


def test_a_lost_host_in_words(guests: None, capsys: Output) -> None:
    out = said(capsys, "--lose-host", "sim1-h1")
    assert out.startswith("It does not fit: ")
    assert "1 because their group has no place left" in out
    assert "acme/db-" in out
    assert "sim1-h1" in out
    assert "spread" in out


def test_more_than_fits_says_what_left_hosts_out(guests: None, capsys: Output) -> None:
    out = said(capsys, "--plan", "zone-256m", "--count", "10000", "--lose-host", "sim1-h2")
    assert "of 10000 fit" in out
    assert "Of 1 hosts left out then: short of" in out
    assert "Room for so many more, if all were of one plan:" in out


def test_all_fits(guests: None, capsys: Output) -> None:
    out = said(capsys, "--add-hosts", "2", "--like", "sim1/sim1-h1", "--plan", "zone-256m", "--count", "9", "--pod", "sim1")
    assert out.startswith("It fits: 9 of 9 more zone-256m fit.")
    assert "More of zone-256m: 9 of 9 fit (9 in sim1)." in out
    assert "the loss of 4 of 4 hosts could be absorbed" in out


def test_a_lost_pod_leaves_an_empty_fleet(guests: None, capsys: Output) -> None:
    out = said(capsys, "--lose-pod", "sim1")
    assert "0 of 8 guests of lost hosts find another" in out
    assert "8 find none because no other host there takes guests" in out
    assert "Pods then" not in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lose-pod", "mars"], "lose_pod: there is no pod 'mars'; there are: sim1"),
        (["--lose-host", "nobody"], "lose_host: there is no host 'nobody'"),
        (["--plan", "huge", "--count", "1"], "plan: there is no plan 'huge'; choose one of"),
        (["--add-hosts", "2"], "like: say which host the new ones are like"),
    ],
)
def test_what_is_wrong_is_a_sentence(pod: Pod, options: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("whatif", *options)
