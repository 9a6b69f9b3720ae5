"""Kill the worker at random moments of random verbs, on real hosts: every time, rows and hosts agree in the end.

`MCP_KILLS` says how often (the suite: 12; `make long`: 100), `MCP_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.power import start, stop
from accelerators.states import State
from tests.real_pod import RealPod
from tests.stack import Stack, until

pytestmark = [pytest.mark.lab, pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("MCP_KILLS", "12"))
SEED = int(os.environ.get("MCP_SEED", str(random.randrange(1 << 30))))
# The longest verb takes about this long undisturbed; a kill falls anywhere in it.
LONGEST_S = 0.6


def ask_something(pod: RealPod, rng: random.Random, number: int) -> str:
    """One random verb that fits what exists now."""
    running = list(Accelerator.objects.filter(state=State.RUNNING))
    stopped = list(Accelerator.objects.filter(state=State.STOPPED))
    verbs = ["create"] * (3 if len(running) + len(stopped) < 6 else 0)
    verbs += ["stop"] * bool(running) + ["start"] * bool(stopped) + ["delete"] * bool(running or stopped) * 2
    verb = rng.choice(verbs or ["create"])
    if verb == "create":
        pod.ask(f"g{number}", count=rng.choice([1, 1, 3]))
    elif verb == "stop":
        stop(actor=pod.actor, accelerator_id=rng.choice(running).pk)
    elif verb == "start":
        start(actor=pod.actor, accelerator_id=rng.choice(stopped).pk)
    else:
        delete(actor=pod.actor, accelerator_id=rng.choice(running + stopped).pk, now=True)
    return verb


def at_rest(pod: RealPod) -> bool:
    return not pod.unsettled()


def test_the_worker_may_be_killed_at_any_moment(real_pod: RealPod, stack: Stack) -> None:
    rng = random.Random(SEED)
    real_pod.ask("warm", count=2)
    until(lambda: at_rest(real_pod), what="the first two creates")
    for number in range(KILLS):
        verb = ask_something(real_pod, rng, number)
        time.sleep(rng.uniform(0, LONGEST_S))  # the random moment itself, not a wait for anything
        stack.kill()
        stack.start_worker()
        until(lambda: at_rest(real_pod), what=f"kill {number} during {verb} (seed {SEED}): {real_pod.unsettled()}")
        assert real_pod.disagreements() == [], f"kill {number} during {verb} (seed {SEED})"
    for accelerator in Accelerator.objects.exclude(state__in=[State.DELETED]):
        delete(actor=real_pod.actor, accelerator_id=accelerator.pk, now=True)
    until(lambda: at_rest(real_pod), what="the last deletions")
    assert real_pod.on_hosts() == {}
    assert real_pod.disagreements() == []
