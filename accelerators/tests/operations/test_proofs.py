"""The generic proofs, for every kind of operation on accelerators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F

from accelerators.models import Accelerator
from accelerators.services.delete import delete, undelete
from accelerators.services.lent_room import call_back
from accelerators.services.move import move
from accelerators.services.power import restart, start, stop
from accelerators.services.rebuild import reapply_limits, remake
from accelerators.states import SETTLED, State
from accelerators.testing.world import World, ensure_spot_plan, unclean
from accounts.actor import system
from mcp.events.models import Event
from mcp.operations.kinds import kinds
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from mcp.testing.proofs import prove_repeatable, prove_survives_crashes, prove_unwinds
from pods.models import Host

Begin = Callable[[World], UUID]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_notice(settings: Any) -> None:
    """A notice is over at once; `test_preempt.py` has tests of the waiting."""
    settings.PREEMPT_NOTICE_S = 0


def begin_create(world: World) -> UUID:
    return world.create("web", count=1).operations[0].pk


def ready(world: World, state: State) -> UUID:
    """An accelerator in a settled state to begin from."""
    accelerator = world.running("web")
    if state is State.STOPPED:
        stop(actor=world.actor, accelerator_id=accelerator.pk)
    if state is State.TRASHED:
        delete(actor=world.actor, accelerator_id=accelerator.pk)
    drain()
    return accelerator.pk


def begin_start(world: World) -> UUID:
    return start(actor=world.actor, accelerator_id=ready(world, State.STOPPED))[1].pk


def begin_stop(world: World) -> UUID:
    return stop(actor=world.actor, accelerator_id=ready(world, State.RUNNING))[1].pk


def begin_restart(world: World) -> UUID:
    return restart(actor=world.actor, accelerator_id=ready(world, State.RUNNING))[1].pk


def begin_trash(world: World) -> UUID:
    return delete(actor=world.actor, accelerator_id=ready(world, State.RUNNING))[1].pk


def begin_undelete(world: World) -> UUID:
    return undelete(actor=world.actor, accelerator_id=ready(world, State.TRASHED))[1].pk


def begin_delete(world: World) -> UUID:
    return delete(actor=world.actor, accelerator_id=ready(world, State.RUNNING), now=True)[1].pk


def begin_remake(world: World) -> UUID:
    accelerator_id = ready(world, State.RUNNING)
    accelerator = Accelerator.objects.select_related("host").get(pk=accelerator_id)
    assert accelerator.host is not None
    world.host(accelerator.host.name).destroy_guest(str(accelerator_id))
    return remake(actor=system(), accelerator_id=accelerator_id)[1].pk


def begin_configure(world: World) -> UUID:
    return reapply_limits(actor=world.actor, accelerator_id=ready(world, State.RUNNING))[1].pk


def begin_preempt(world: World) -> UUID:
    """Its host lends no more; no notice, so that nothing has to be waited for."""
    lend_until_told(world)
    accelerator = world.running("web", plan=ensure_spot_plan().slug)
    Host.objects.update(spot="never")
    assert call_back() == 1
    return Operation.objects.get(kind="accelerator.preempt", target_id=accelerator.pk).pk


def lend_until_told(world: World) -> None:
    Host.objects.filter(pod=world.pod).update(spot="always")


def begin_waiting_create(world: World) -> UUID:
    """A create that must wait: all room of the one host is lent, and the guests there are told to leave."""
    lend_until_told(world)
    Host.objects.filter(pod=world.pod, name="h2").update(duty="draining")
    Host.objects.filter(pod=world.pod, name="h1").update(cap_memory_mib=F("used_memory_mib") + 600)
    spots = [world.running(name, plan=ensure_spot_plan().slug) for name in ("spot-a", "spot-b")]
    created = world.create("web")
    assert created.room_by is not None
    assert len(spots) == 2
    return created.operations[0].pk


def begin_move(world: World) -> UUID:
    """The first of the two hosts that it is not on."""
    accelerator = Accelerator.objects.get(pk=ready(world, State.RUNNING))
    target = Host.objects.exclude(accelerators=accelerator).get(pod=world.pod)
    return move(actor=system(), accelerator_id=accelerator.pk, target=target)[1].pk


BEGIN: dict[str, Begin] = {
    "accelerator.preempt": begin_preempt,
    "accelerator.create": begin_create,
    "accelerator.start": begin_start,
    "accelerator.stop": begin_stop,
    "accelerator.restart": begin_restart,
    "accelerator.trash": begin_trash,
    "accelerator.undelete": begin_undelete,
    "accelerator.delete": begin_delete,
    "accelerator.remake": begin_remake,
    "accelerator.configure": begin_configure,
    "accelerator.move": begin_move,
}
# Watches only: proven in test_first_boot.py.
WITHOUT_EFFECT = {"accelerator.first_boot"}
# These ask for an operator instead of giving up (a move: once it has switched over); a retry, or the deletion below, ends them.
NEVER_GIVES_UP = {"accelerator.delete", "accelerator.preempt", "accelerator.move"}


def settle_and_compare(world: World) -> Callable[[Operation], None]:
    """Rows and hosts agree after each case; then delete what is left, so that the next case begins clean."""

    def check(operation: Operation) -> None:
        assert operation.settled or operation.kind in NEVER_GIVES_UP, operation
        accelerator = Accelerator.objects.get(pk=operation.target_id)
        gone = accelerator.state in (State.DELETED, State.FAILED)
        # A guest that vanished and could not be built anew is still missing; the reconciler goes on saying so.
        still_missing = operation.kind == "accelerator.remake" and operation.state == "failed"
        if operation.settled and not still_missing:
            assert accelerator.state in SETTLED
            expected = frozenset() if gone else frozenset({str(accelerator.pk)})
            assert unclean(world, expected=expected) == []
        if operation.state == "failed" and operation.kind == "accelerator.create":
            assert accelerator.state == State.FAILED
            assert "Nothing of it is left" in str(list(accelerator_events(accelerator)))
        if accelerator.state != State.DELETED:
            delete(actor=world.actor, accelerator_id=accelerator.pk, now=True)
            drain()
        assert unclean(world) == []

    return check


def accelerator_events(accelerator: Accelerator) -> list[str]:
    return list(Event.objects.filter(target_id=accelerator.pk).values_list("message", flat=True))


def test_every_kind_is_proven() -> None:
    ours = {name for name in kinds() if not name.startswith("test.")}
    assert ours == set(BEGIN) | WITHOUT_EFFECT


@pytest.mark.parametrize("kind", sorted(BEGIN))
def test_failing_each_step_leaves_a_clean_slate(kind: str, world: World) -> None:
    assert prove_unwinds(kind, lambda: BEGIN[kind](world), settle_and_compare(world)) >= 2


@pytest.mark.parametrize("kind", sorted(BEGIN))
def test_every_act_and_undo_can_be_repeated(kind: str, world: World) -> None:
    prove_repeatable(kind, lambda: BEGIN[kind](world), settle_and_compare(world))


WAYS = [(kind, back) for kind in sorted(BEGIN) for back in (False, True) if not (back and kind in NEVER_GIVES_UP)]


@pytest.mark.parametrize(("kind", "fail_last"), WAYS, ids=[f"{kind}{'-and-back' if back else ''}" for kind, back in WAYS])
def test_a_worker_may_die_between_and_inside_any_two_steps(kind: str, fail_last: bool, world: World) -> None:
    points = prove_survives_crashes(kind, lambda: BEGIN[kind](world), settle_and_compare(world), fail_last=fail_last)
    assert points >= 3


def settle_and_clear(world: World) -> Callable[[Operation], None]:
    """As `settle_and_compare`, with the preemptible neighbours that made room or stayed."""

    def check(operation: Operation) -> None:
        assert operation.settled, operation
        neighbours = Accelerator.objects.filter(name__startswith="spot-").exclude(state=State.DELETED)
        assert neighbours.filter(state__in=SETTLED).count() == 2
        there = {str(pk) for pk in neighbours.values_list("pk", flat=True)}
        made = Accelerator.objects.get(pk=operation.target_id)
        assert made.state == (State.RUNNING if operation.state == "succeeded" else State.FAILED)
        assert unclean(world, expected=frozenset(there | ({str(made.pk)} if made.state == State.RUNNING else set()))) == []
        assert neighbours.filter(state=State.STOPPED, preempted_at__isnull=False).count() == 1
        for accelerator in Accelerator.objects.exclude(state=State.DELETED):
            delete(actor=world.actor, accelerator_id=accelerator.pk, now=True)
        drain()
        assert unclean(world) == []

    return check


def test_a_create_that_waits_for_room_fails_cleanly_at_each_step(world: World) -> None:
    prove_unwinds("accelerator.create", lambda: begin_waiting_create(world), settle_and_clear(world))


def test_a_create_that_waits_for_room_can_repeat_every_act(world: World) -> None:
    prove_repeatable("accelerator.create", lambda: begin_waiting_create(world), settle_and_clear(world))


@pytest.mark.parametrize("fail_last", [False, True])
def test_a_worker_may_die_anywhere_while_a_create_waits_for_room(world: World, fail_last: bool) -> None:
    """Also in the operation that makes the room."""
    begin, check = lambda: begin_waiting_create(world), settle_and_clear(world)
    assert prove_survives_crashes("accelerator.create", begin, check, fail_last=fail_last) > 10
