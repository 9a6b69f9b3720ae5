"""`manage.py operation`."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from accelerators.testing.world import World
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.gear.errors import GearUnreachable

Output = pytest.CaptureFixture[str]


@pytest.fixture
def troubled(world: World, settings: Settings) -> Operation:
    """A creation that ran out of patience at once."""
    settings.OPERATIONS = {**settings.OPERATIONS, "patience_s": 0}
    for name in ("h1", "h2"):
        world.host(name).fail_next("create", GearUnreachable, times=9)
    created = world.create()
    drain()
    return Operation.objects.get(pk=created.operations[0].pk, state="needs_attention")


def test_list_filters_by_state_and_target(world: World, capsys: Output) -> None:
    world.running("one")
    world.create("two")
    call_command("operation", "list", "--json")
    assert {row["target"] for row in json.loads(capsys.readouterr().out)} == {"one", "two"}
    call_command("operation", "list", "--state", "queued", "--json")
    assert [row["target"] for row in json.loads(capsys.readouterr().out)] == ["two"]
    call_command("operation", "list", "--target", "nobody")
    assert "no such operation" in capsys.readouterr().out


def test_show_tells_steps_placement_and_what_operators_need(troubled: Operation, capsys: Output) -> None:
    call_command("operation", "show", str(troubled.pk))
    out = capsys.readouterr().out
    assert "gear.unreachable" in out
    assert "operator detail" in out
    assert "placement" in out
    assert "build" in out
    call_command("operation", "show", str(troubled.pk), "--json")
    facts = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in facts["steps"]] == ["image", "build", "start", "reach"]
    assert facts["placement"]["operator"]


def test_retry_goes_on_where_it_stopped(world: World, troubled: Operation) -> None:
    for name in ("h1", "h2"):
        with world.simulated.store.change(name) as state:
            state.faults.clear()
    call_command("operation", "retry", str(troubled.pk))
    drain()
    troubled.refresh_from_db()
    assert troubled.state == "succeeded"
    with pytest.raises(CommandError, match="only one that needs attention"):
        call_command("operation", "retry", str(troubled.pk))


def test_cancel_takes_back_what_was_begun(world: World) -> None:
    operation = world.create().operations[0]
    call_command("operation", "cancel", str(operation.pk))
    drain()
    operation.refresh_from_db()
    assert operation.state == "cancelled"
    assert world.guests() == set()


@pytest.mark.parametrize("verb", ["show", "retry", "cancel"])
def test_unknown_ids_are_one_sentence(db: None, verb: str) -> None:
    with pytest.raises(CommandError, match="no operation"):
        call_command("operation", verb, str(uuid4()))
    with pytest.raises(CommandError, match="is not an id"):
        call_command("operation", verb, "first")
