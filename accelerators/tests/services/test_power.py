"""Start, stop, restart: from where they are allowed, what they leave, and what becomes of failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.power import restart, start, stop
from accelerators.states import TRANSITIONS, State
from accelerators.testing.world import World, make_world
from accounts.actor import Actor, system
from mcp.errors import Forbidden, NotFound
from mcp.events.models import AuditEntry, Event
from mcp.ids import new_id
from mcp.operations.errors import OperationInProgress
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import Power
from pods.services.gear import hypervisor_of

pytestmark = pytest.mark.django_db

Verb = Callable[..., tuple[Accelerator, Operation]]
VERBS: dict[Verb, tuple[State, str]] = {
    start: (State.STARTING, "running"), stop: (State.STOPPING, "stopped"), restart: (State.RESTARTING, "running")
}  # fmt: skip


def power_on_host(row: Accelerator) -> Power:
    assert row.host is not None
    seen = hypervisor_of(row.host).observe(str(row.pk))
    assert seen is not None
    return seen.power


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_from_each_state(world: World, verb: Verb, state: State) -> None:
    """As the table allows; refusals name state and verb and change nothing. The same state again is no error of itself."""
    row = world.running()
    bare = {"state": state, **({"deleted_at": row.created_at} if state == State.DELETED else {})}
    force(row.pk, **bare)
    passing, wanted = VERBS[verb]
    before = Operation.objects.count()
    if passing in TRANSITIONS[state] or state == passing:
        changed, operation = verb(actor=world.actor, accelerator_id=row.pk)
        assert (changed.state, changed.power_wanted, operation.params) == (passing, wanted, {"before": state})
        assert changed.revision == Accelerator.objects.get(pk=row.pk).revision > row.revision
        return
    with pytest.raises(WrongState) as refused:
        verb(actor=world.actor, accelerator_id=row.pk)
    assert refused.value.context["state"] == state
    assert Operation.objects.count() == before
    assert Accelerator.objects.get(pk=row.pk).state == state


def force(pk: UUID, **fields: object) -> None:
    """Any state from any other: by way of a row that never was."""
    row = Accelerator.objects.get(pk=pk)
    Accelerator.objects.filter(pk=pk).delete()
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(force_insert=True)


def test_stop_start_restart_reach_the_host(world: World) -> None:
    row = world.running()
    for verb, power, state in (
        (stop, Power.STOPPED, "stopped"),
        (start, Power.RUNNING, "running"),
        (restart, Power.RUNNING, "running"),
    ):
        _, operation = verb(actor=world.actor, accelerator_id=row.pk)
        drain()
        row.refresh_from_db()
        operation.refresh_from_db()
        assert (operation.state, row.state, row.power_observed) == ("succeeded", state, power.value)
        assert power_on_host(row) is power
        assert row.observed_at is not None
    kinds = set(Event.objects.filter(target_id=row.pk).values_list("kind", flat=True))
    assert {"accelerator.stop.requested", "accelerator.stopped", "accelerator.running"} <= kinds
    assert AuditEntry.objects.filter(target_id=str(row.pk), action="accelerator.restart").count() == 1


def test_one_at_a_time(world: World) -> None:
    row = world.running()
    _, operation = stop(actor=world.actor, accelerator_id=row.pk)
    with pytest.raises(OperationInProgress) as refused:
        stop(actor=world.actor, accelerator_id=row.pk)
    assert refused.value.context["operation"] == str(operation.pk)
    assert Accelerator.objects.get(pk=row.pk).state == "stopping"


@pytest.mark.parametrize(
    ("verb", "host_verb", "state", "wanted"),
    [(stop, "stop", "running", "running"), (restart, "stop", "running", "running"), (restart, "start", "stopped", "running")],
)  # fmt: skip
def test_what_the_host_refuses_ends_settled_and_says_so(
    world: World, verb: Verb, host_verb: str, state: str, wanted: str
) -> None:
    row = world.running()
    assert row.host is not None
    world.host(row.host.name).fail_next(host_verb, GearRefused)
    _, operation = verb(actor=world.actor, accelerator_id=row.pk)
    drain()
    operation.refresh_from_db()
    row.refresh_from_db()
    assert (operation.state, row.state, row.power_wanted) == ("failed", state, wanted)
    assert row.host is not None
    told = Event.objects.filter(target_id=row.pk, kind__endswith="_failed").get()
    assert row.host.name not in told.message


def test_a_refused_start_is_not_wanted_any_more(world: World) -> None:
    row = world.running()
    stop(actor=world.actor, accelerator_id=row.pk)
    drain()
    assert row.host is not None
    world.host(row.host.name).fail_next("start", GearRefused)
    start(actor=world.actor, accelerator_id=row.pk)
    drain()
    row.refresh_from_db()
    assert (row.state, row.power_wanted) == ("stopped", "stopped")


@pytest.mark.parametrize("verb", list(VERBS))
def test_others_and_readers_cannot(world: World, verb: Verb) -> None:
    row = world.running()
    with pytest.raises(NotFound):
        verb(actor=make_world(cidr="10.97.0.0/24").actor, accelerator_id=row.pk)
    with pytest.raises(NotFound):
        verb(actor=world.actor, accelerator_id=new_id())
    without_account = Actor(label="x", account=None, role="owner")
    for actor in (replace(world.actor, role="viewer"), replace(world.actor, scopes=("read",)), without_account):
        with pytest.raises(Forbidden):
            verb(actor=actor, accelerator_id=row.pk)
    assert Accelerator.objects.get(pk=row.pk).state == "running"


def test_an_operator_may(world: World) -> None:
    row = world.running()
    assert stop(actor=system(), accelerator_id=row.pk)[0].state == "stopping"
