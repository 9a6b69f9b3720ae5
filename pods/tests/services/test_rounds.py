"""Rounds: silent hosts hold up nobody for long, and a defect with one host concerns that host alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError

from mcp.operations.stopping import resume_claiming, stop_claiming
from pods.gear.errors import GearError, GearUnreachable
from pods.models import Host
from pods.services.rounds import Round

LIMIT_S = 20.0
HOSTS = [Host(name=f"h{number}") for number in range(8)]


class Asked:
    """What a round asked and learnt; hosts named in `hang` answer only when released."""

    def __init__(self, *hang: str, at_once: int = 4) -> None:
        self.answers: dict[str, str | GearError] = {}
        self.hang = set(hang)
        self.release = threading.Event()
        self.others_done = threading.Event()
        self.round: Round[str] = Round(self.ask, self.settle, at_once=at_once)

    def ask(self, host: Host) -> str:
        if host.name in self.hang:
            assert self.release.wait(LIMIT_S)
        return host.name.upper()

    def settle(self, host: Host, answer: str | GearError) -> None:
        self.answers[host.name] = answer
        if len(self.answers) == len(HOSTS) - len(self.hang):
            self.others_done.set()


def test_everybody_is_asked_and_every_answer_settled() -> None:
    asked = Asked()
    assert asked.round.run(HOSTS) == 8
    assert asked.answers == {host.name: host.name.upper() for host in HOSTS}


def test_hosts_that_hang_do_not_hold_up_the_others() -> None:
    asked = Asked("h0", "h1", "h2")
    with ThreadPoolExecutor(1) as thread:
        going = thread.submit(asked.round.run, HOSTS)
        assert asked.others_done.wait(LIMIT_S)
        assert asked.round.run(HOSTS) == 0  # the one under way is enough; nobody waits for it
        asked.release.set()
        assert going.result(LIMIT_S) == 8
    assert len(asked.answers) == 8
    assert asked.round.run(HOSTS) == 8


def test_hosts_are_read_when_there_is_a_thread_for_them() -> None:
    asked = Asked("h0", at_once=1)
    read: list[str] = []

    def listed() -> Iterator[Host]:
        for host in HOSTS:
            read.append(host.name)
            yield host

    with ThreadPoolExecutor(1) as thread:
        going = thread.submit(asked.round.run, listed())
        while not read and not going.done():
            going.done()
        assert read == ["h0"]
        asked.release.set()
        going.result(LIMIT_S)
    assert len(read) == 8


def test_an_error_of_the_gear_is_an_answer_and_a_defect_is_one_hosts_own() -> None:
    asked = Asked()

    def ask(host: Host) -> str:
        if host.name == "h1":
            raise GearUnreachable("silence")
        if host.name == "h2":
            raise ZeroDivisionError
        return host.name

    asked.round = Round(ask, asked.settle, at_once=2)
    asked.round.run(HOSTS)
    assert isinstance(asked.answers["h1"], GearUnreachable)
    assert set(asked.answers) == {host.name for host in HOSTS} - {"h2"}


def test_a_database_that_is_away_ends_the_round_and_the_next_one_may_begin() -> None:
    def settle(host: Host, answer: str | GearError) -> None:
        raise OperationalError("gone")

    broken = Round(lambda host: host.name, settle, at_once=2)
    for _ in range(2):
        with pytest.raises(OperationalError):
            broken.run(HOSTS)


def test_a_process_that_is_ending_asks_nobody_more() -> None:
    asked = Asked()
    stop_claiming()
    try:
        assert asked.round.run(HOSTS) == 0
    finally:
        resume_claiming()
