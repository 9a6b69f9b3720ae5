"""Deciding about findings: adopt, restore, ignore, for every kind; what cannot be decided says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accelerators.errors import Protected, WrongState
from accelerators.models import Accelerator
from accelerators.operations.subject import limits_of
from accelerators.services.delete import delete
from accelerators.services.drift import adopt, ignore, restore
from accelerators.services.power import stop
from accelerators.services.reconcile import reconcile_host
from accelerators.testing.world import World, unclean
from accounts.actor import system
from mcp.errors import Conflict, Forbidden, NotFound
from mcp.events.models import AuditEntry, Event
from mcp.ids import new_id
from mcp.operations.errors import OperationInProgress
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.gear.hypervisor.base import GuestObservation, Limits, Power
from pods.gear.simulated import SimulatedHost
from pods.models import DriftFinding, Host
from pods.services.gear import hypervisor_of

pytestmark = pytest.mark.django_db

OPERATOR = system("test")
VERBS: list[Callable[..., DriftFinding]] = [adopt, restore, ignore]


def look(row: Accelerator, times: int = 1) -> None:
    assert row.host is not None
    for _ in range(times):
        reconcile_host(row.host)


def hand(row: Accelerator, world: World) -> SimulatedHost:
    assert row.host is not None
    return world.host(row.host.name)


def on_host(row: Accelerator) -> GuestObservation:
    assert row.host is not None
    seen = hypervisor_of(row.host).observe(str(row.pk))
    assert seen is not None
    return seen


def found(row: Accelerator, world: World, kind: str) -> DriftFinding:
    """Something of that kind, found on the host of `row`."""
    host, guest_id = hand(row, world), str(row.pk)
    {
        "power": lambda: host.stop_guest(guest_id),
        "missing": lambda: host.destroy_guest(guest_id),
        "limits": lambda: host.change_limits(guest_id, Limits(8192, 4.0, 50.0, 4096)),
        "unguarded": lambda: host.drop_rules(guest_id),
        "unknown_guest": lambda: host.create_foreign("by-hand"),
    }[kind]()
    look(row, times=2)
    return DriftFinding.objects.get(kind=kind, state="open")


KINDS = ["power", "missing", "limits", "unguarded", "unknown_guest"]


@pytest.mark.parametrize("kind", ["power", "missing", "limits", "unguarded"])
def test_restored_it_is_as_wanted_again(world: World, kind: str) -> None:
    row = world.running()
    finding = restore(actor=OPERATOR, finding_id=found(row, world, kind).pk)
    assert (finding.state, finding.decided_by) == ("restored", "system")
    assert finding.decided_at is not None
    assert finding.operation_id is not None
    operation = Operation.objects.get(pk=finding.operation_id)
    wanted = {"power": "start", "missing": "remake", "limits": "configure", "unguarded": "restart"}[kind]
    assert operation.kind == f"accelerator.{wanted}"
    drain()
    row.refresh_from_db()
    assert (row.state, row.power_wanted, row.missing_since) == ("running", "running", None)
    seen = on_host(row)
    assert (seen.power, seen.limits, seen.guarded) == (Power.RUNNING, limits_of(row), True)
    look(row)
    assert not DriftFinding.objects.filter(state="open").exists()
    assert unclean(world, expected=frozenset({str(row.pk)})) == []


def test_restoring_what_should_not_run_stops_it(world: World) -> None:
    row = world.running()
    stop(actor=world.actor, accelerator_id=row.pk)
    drain()
    with world.simulated.store.change(hand(row, world).name) as state:
        state.guests[f"mcp-{row.pk}"].running = True
        state.guests[f"mcp-{row.pk}"].guarded = False
    look(row)
    assert set(DriftFinding.objects.values_list("kind", flat=True)) == {"power", "unguarded"}
    restore(actor=OPERATOR, finding_id=DriftFinding.objects.get(kind="unguarded").pk)
    drain()
    row.refresh_from_db()
    assert (row.state, row.power_wanted, on_host(row).power) == ("stopped", "stopped", Power.STOPPED)
    look(row)
    assert DriftFinding.objects.get(kind="power").state == "resolved"


def test_adopting_power_makes_it_the_wish(world: World) -> None:
    row = world.running()
    finding = adopt(actor=OPERATOR, finding_id=found(row, world, "power").pk)
    assert (finding.state, finding.operation_id) == ("adopted", None)
    row.refresh_from_db()
    assert (row.state, row.power_wanted) == ("stopped", "stopped")
    look(row)
    assert not DriftFinding.objects.filter(state="open").exists()


def test_adopting_a_missing_guest_deletes_it_for_good(world: World) -> None:
    row = world.running()
    finding = adopt(actor=OPERATOR, finding_id=found(row, world, "missing").pk)
    assert finding.operation_id is not None
    assert Operation.objects.get(pk=finding.operation_id).kind == "accelerator.delete"
    drain()
    row.refresh_from_db()
    assert row.state == "deleted"
    assert unclean(world) == []


def test_a_protected_one_is_not_deleted_by_adopting(world: World) -> None:
    row = world.running(protected=True)
    finding = found(row, world, "missing")
    with pytest.raises(Protected):
        adopt(actor=OPERATOR, finding_id=finding.pk)
    finding.refresh_from_db()
    row.refresh_from_db()
    assert (finding.state, row.state) == ("open", "running")


@pytest.mark.parametrize(
    ("kind", "why"),
    [("limits", "differ from the plan"), ("unguarded", "endangers its neighbours"), ("unknown_guest", "belongs to no account")],
)
def test_what_cannot_be_adopted_says_why_and_stays_open(world: World, kind: str, why: str) -> None:
    finding = found(world.running(), world, kind)
    with pytest.raises(Conflict, match=why):
        adopt(actor=OPERATOR, finding_id=finding.pk)
    finding.refresh_from_db()
    assert (finding.state, finding.decided_at) == ("open", None)
    assert not AuditEntry.objects.filter(target_id=str(finding.pk)).exists()


def test_an_unknown_power_cannot_be_adopted(world: World) -> None:
    finding = found(world.running(), world, "power")
    DriftFinding.objects.update(found={"power": "unknown"})
    with pytest.raises(Conflict, match="restore it instead"):
        adopt(actor=OPERATOR, finding_id=finding.pk)


def test_a_foreign_guest_is_never_touched(world: World) -> None:
    row = world.running()
    finding = found(row, world, "unknown_guest")
    with pytest.raises(Conflict, match="never deletes"):
        restore(actor=OPERATOR, finding_id=finding.pk)
    assert "by-hand" in hand(row, world).state().guests
    assert DriftFinding.objects.get().state == "open"


@pytest.mark.parametrize("kind", KINDS)
def test_ignored_it_is_kept_out_of_the_way_and_may_be_decided_later(world: World, kind: str) -> None:
    row = world.running()
    finding = ignore(actor=OPERATOR, finding_id=found(row, world, kind).pk)
    look(row)
    assert DriftFinding.objects.get(kind=kind).state == finding.state == "ignored"
    assert ignore(actor=OPERATOR, finding_id=finding.pk).state == "ignored"
    if kind != "unknown_guest":
        assert restore(actor=OPERATOR, finding_id=finding.pk).state == "restored"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", ["adopted", "restored", "resolved"])
def test_what_is_decided_stays_decided(world: World, verb: Callable[..., DriftFinding], state: str) -> None:
    host = Host.objects.all()[0]
    finding = DriftFinding.objects.create(host=host, kind="power", guest_name="x", sentence="x", state=state)
    with pytest.raises(Conflict, match=f"{state} already"):
        verb(actor=OPERATOR, finding_id=finding.pk)


@pytest.mark.parametrize("verb", VERBS)
def test_operators_only_and_only_what_there_is(world: World, verb: Callable[..., DriftFinding]) -> None:
    finding = found(world.running(), world, "power")
    with pytest.raises(Forbidden):
        verb(actor=world.actor, finding_id=finding.pk)
    with pytest.raises(NotFound):
        verb(actor=OPERATOR, finding_id=new_id())
    assert DriftFinding.objects.get().state == "open"


def test_a_decision_is_audited_and_told(world: World) -> None:
    row = world.running()
    finding = adopt(actor=OPERATOR, finding_id=found(row, world, "power").pk)
    entry = AuditEntry.objects.get(action="drift.adopted")
    assert (entry.target_id, entry.account_id, entry.changes["kind"]) == (str(finding.pk), world.account.pk, "power")
    event = Event.objects.get(kind="drift.adopted", target_id=row.pk)
    assert row.host is not None
    assert row.host.name not in event.message


def test_a_busy_one_is_refused_and_the_finding_stays_open(world: World) -> None:
    row = world.running()
    finding = found(row, world, "limits")
    stop(actor=world.actor, accelerator_id=row.pk)
    with pytest.raises(OperationInProgress):
        restore(actor=OPERATOR, finding_id=finding.pk)
    finding.refresh_from_db()
    assert finding.state == "open"


def test_rules_of_one_that_stopped_meanwhile_need_no_restart(world: World) -> None:
    row = world.running()
    finding = found(row, world, "unguarded")
    stop(actor=world.actor, accelerator_id=row.pk)
    drain()
    with pytest.raises(WrongState, match="is stopped"):
        restore(actor=OPERATOR, finding_id=finding.pk)
    look(row)
    finding.refresh_from_db()
    assert finding.state == "resolved"


@pytest.mark.parametrize("verb", [adopt, restore])
def test_what_runs_in_the_trash_is_not_brought_to_life(world: World, verb: Callable[..., DriftFinding]) -> None:
    """Adopting or restoring the power of one that was deleted must not leave it running unpaid."""
    row = world.running()
    delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    with world.simulated.store.change(hand(row, world).name) as state:
        state.guests[f"mcp-{row.pk}"].running = True
    look(row)
    finding = DriftFinding.objects.get()
    with pytest.raises(Conflict):
        verb(actor=OPERATOR, finding_id=finding.pk)
    row.refresh_from_db()
    assert (row.state, row.power_wanted) == ("trashed", "stopped")
