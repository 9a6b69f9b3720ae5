"""The claim by many real processes on PostgreSQL, and by processes that die between any two statements."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from mcp.ids import new_id
from pods.models import Allocation, Host
from pods.tests.services.claims import pod_for, take, wrong
from tests.stack import database_url

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("on_postgres"),
]
PROCESSES = 6


def start(**task: Any) -> subprocess.Popen[bytes]:
    """A claimer on this test's database, with the fleet kept as in production."""
    environment = {**os.environ, "MCP_DATABASE_URL": database_url(), "MCP_LOG_LEVEL": "WARNING", "MCP_PLACEMENT_REFRESH_S": "0.5"}
    command = [sys.executable, "-m", "pods.tests.services.claimer", json.dumps(task)]
    return subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def told_by(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_a_nearly_full_pod_is_filled_exactly_and_nobody_is_refused_falsely() -> None:
    """Each process asks until it is refused; a refusal while a place is left would leave that place empty."""
    pod_for(60, hosts=5)
    take(20)
    answers = [told_by(process) for process in [start(most=1000) for _ in range(PROCESSES)]]
    claimed = [holder for answer in answers for holder in answer["claimed"]]
    assert len(claimed) == len(set(claimed)) == 280
    assert all(answer["full"] == 1 for answer in answers)
    assert Allocation.objects.count() == 300
    assert not Host.objects.exclude(guests=60).exists()
    assert wrong() == []


def test_batches_and_singles_together_never_oversell() -> None:
    pod_for(40, hosts=4)
    answers = [told_by(process) for process in [start(most=30, count=1 + number % 4) for number in range(PROCESSES)]]
    assert Allocation.objects.count() == sum(len(answer["claimed"]) for answer in answers) <= 160
    assert wrong() == []


def test_groups_with_places_are_never_broken() -> None:
    """Every process adds members to the same groups; two a host is the most, over three hosts: six members each."""
    pod_for(200, hosts=3)
    answers = [told_by(process) for process in [start(most=8, group="g", spread="host", limit=2) for _ in range(8)]]
    assert sum(len(answer["claimed"]) for answer in answers) == 8 * 6
    members = list(Allocation.objects.values_list("group", "host_id"))
    assert max(members.count(member) for member in members) == 2
    assert wrong() == []


def test_the_same_claim_by_many_at_once_is_made_once() -> None:
    pod_for(50, hosts=2)
    holders = [str(new_id()) for _ in range(3)]
    answers = [told_by(process) for process in [start(most=1, holders=holders) for _ in range(PROCESSES)]]
    assert all(sorted(answer["claimed"]) == sorted(holders) for answer in answers)
    assert Allocation.objects.count() == 3
    assert wrong() == []


def deaths(**task: Any) -> Iterator[str]:
    """What became of one process after the other, each of which died one statement later; the caller looks in between."""
    process = start(deaths=True, **task)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        for line in iter(process.stdout.readline, b""):
            yield line.decode().strip()
            process.stdin.write(b"go on\n")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.flush()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("task", [{"count": 1}, {"count": 3}, {"count": 2, "group": "g", "spread": "host"}])
def test_a_process_that_dies_before_any_statement_leaves_all_or_nothing(task: dict[str, Any]) -> None:
    pod_for(50, hosts=3)
    ends, before = [], 0
    for end in deaths(most=1, **task):
        ends.append(end)
        after = Allocation.objects.count()
        assert after - before in (0, task["count"])
        assert wrong() == []
        before = after
    assert len(ends) > 5
    assert ends == ["died"] * (len(ends) - 1) + ["lived"]
    assert before >= task["count"]


def test_a_process_that_dies_giving_back_leaves_all_or_nothing() -> None:
    pod_for(50)
    holder = str(take()[0].holder_id)
    ends = []
    for end in deaths(release=[holder]):
        ends.append(end)
        assert wrong() == []
    assert ends[-1] == "lived"
    assert len(ends) > 3
    assert not Allocation.objects.exists()
