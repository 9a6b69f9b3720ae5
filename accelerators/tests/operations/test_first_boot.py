"""The user script's end, on the timeline; and every way of not learning it."""

from __future__ import annotations

import pytest

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.power import stop
from accelerators.testing.world import World, unclean
from mcp.events.models import Event
from mcp.operations.engine import run
from mcp.operations.models import Operation
from mcp.testing.drain import drain, next_due
from pods.gear.simulated import SimulatedHost

pytestmark = pytest.mark.django_db


def watching() -> Operation:
    return Operation.objects.get(kind="accelerator.first_boot")


def until_watching(world: World, script: str) -> tuple[Accelerator, SimulatedHost]:
    """Created, with the watch submitted and not begun; its script seems to run on."""
    row = world.create(user_script=script).accelerators[0]
    while not Operation.objects.filter(kind="accelerator.first_boot").exists():
        operation = next_due()
        assert operation is not None
        run(operation)
    row.refresh_from_db()
    assert row.host is not None
    hand = world.host(row.host.name)
    unfinish(hand, row, None)
    return row, hand


def unfinish(hand: SimulatedHost, row: Accelerator, result: tuple[int, str] | None) -> None:
    with hand.pod.store.change(hand.name) as state:
        state.guests[f"mcp-{row.pk}"].first_boot = result


@pytest.mark.parametrize(("code", "words"), [(0, "succeeded"), (3, "failed with exit code 3")])
def test_its_end_is_told(world: World, code: int, words: str) -> None:
    row = world.running(user_script=f"#!/bin/sh\necho hello\nexit {code}\n")
    row.refresh_from_db()
    assert (row.state, row.first_boot_exit) == ("running", code)
    operation = watching()
    assert (operation.state, operation.result) == ("succeeded", {"exit_code": code, "output": "hello\n"})
    event = Event.objects.get(kind="accelerator.first_boot")
    assert words in event.message
    assert event.data == {"exit_code": code, "output": "hello\n"}


def test_without_a_script_nothing_is_watched(world: World) -> None:
    world.running()
    assert not Operation.objects.filter(kind="accelerator.first_boot").exists()


def test_it_waits_less_and_less_often_and_holds_nothing_up(world: World) -> None:
    row, hand = until_watching(world, "#!/bin/sh\nsleep 60\n")
    drain(skip_pauses=False)
    assert (watching().state, watching().message) == ("queued", "The user script is running.")
    first = watching().not_before
    stop(actor=world.actor, accelerator_id=row.pk)  # not excluded by the watch
    for _ in range(3):
        drain(skip_pauses=False)
        Operation.objects.update(not_before=first)
    unfinish(hand, row, (0, ""))
    drain()
    row.refresh_from_db()
    assert (watching().state, row.state, row.first_boot_exit) == ("succeeded", "stopped", 0)


@pytest.mark.parametrize("now", [True, False])
def test_deleting_ends_the_watch(world: World, now: bool) -> None:
    row, hand = until_watching(world, "#!/bin/sh\nsleep 60\n")
    drain(skip_pauses=False)
    delete(actor=world.actor, accelerator_id=row.pk, now=now)
    if now:
        drain()
        assert unclean(world) == []
    else:
        drain(skip_pauses=False)
        unfinish(hand, row, (0, "done\n"))
        drain()
    assert watching().state in ("succeeded", "cancelled")


def test_one_that_is_being_deleted_is_not_watched(world: World) -> None:
    row, hand = until_watching(world, "#!/bin/sh\nsleep 60\n")
    Accelerator.objects.filter(pk=row.pk).update(state="deleting")
    drain()
    row.refresh_from_db()
    assert (watching().state, row.first_boot_exit) == ("succeeded", None)
    assert not Event.objects.filter(kind="accelerator.first_boot").exists()
    assert hand.state().guests
