"""The duty of a host: the whole table, in the service and in the database, and what may not be retired."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from django.db import DatabaseError, transaction

from accounts.actor import system
from mcp.errors import Conflict, Forbidden
from mcp.events.models import AuditEntry, Event
from pods.errors import HostBusy
from pods.models import Host, Pod
from pods.services.claim import release
from pods.services.duty import set_duty
from pods.states import DUTY_TRANSITIONS, HostDuty, HostState, shown_state
from pods.tests.services.claims import take

pytestmark = pytest.mark.django_db
OPERATOR = system("test")
PAIRS = [pair for pair in itertools.product(HostDuty, HostDuty) if pair[0] != pair[1]]
# Written out here once more, so that a change of the table is a decision.
ALLOWED = {
    ("active", "maintenance"), ("active", "draining"),
    ("maintenance", "active"), ("maintenance", "draining"), ("maintenance", "retired"),
    ("draining", "active"), ("draining", "maintenance"), ("draining", "retired"),
}  # fmt: skip


@pytest.fixture
def host(pod: Pod) -> Host:
    """A host on active duty."""
    return Host.objects.get(name="sim1-h1")


def bring_to(host: Host, duty: HostDuty) -> Host:
    """By allowed steps."""
    if duty == HostDuty.RETIRED:
        Host.objects.filter(pk=host.pk).update(duty=HostDuty.MAINTENANCE)
    Host.objects.filter(pk=host.pk).update(duty=duty)
    host.refresh_from_db()
    return host


def test_the_table_is_the_one_agreed() -> None:
    assert {(before, after) for before, nexts in DUTY_TRANSITIONS.items() for after in nexts} == ALLOWED
    assert set(DUTY_TRANSITIONS) == set(HostDuty)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_service_follows_the_table(host: Host, before: HostDuty, after: HostDuty) -> None:
    bring_to(host, before)
    if (before, after) in ALLOWED:
        assert set_duty(actor=OPERATOR, host=host, duty=after).duty == after
    else:
        with pytest.raises(Conflict, match=f"A host in {before} cannot go to {after}; possible: "):
            set_duty(actor=OPERATOR, host=host, duty=after)
    host.refresh_from_db()
    assert host.duty == (after if (before, after) in ALLOWED else before)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_database_follows_the_table(host: Host, before: HostDuty, after: HostDuty) -> None:
    """Whatever code asks: the trigger refuses what the table lacks."""
    bring_to(host, before)
    if (before, after) in ALLOWED:
        Host.objects.filter(pk=host.pk).update(duty=after)
        return
    with pytest.raises(DatabaseError, match="transition"), transaction.atomic():
        Host.objects.filter(pk=host.pk).update(duty=after)
    host.refresh_from_db()
    assert host.duty == before


@pytest.mark.parametrize("duty", HostDuty)
def test_the_present_duty_again_is_a_no_op(host: Host, duty: HostDuty) -> None:
    bring_to(host, duty)
    assert set_duty(actor=OPERATOR, host=host, duty=duty, reason="again").duty_reason == ""
    assert not Event.objects.filter(target_id=host.pk).exists()
    assert not AuditEntry.objects.filter(action="host.duty").exists()


def test_a_change_is_told_and_audited_with_its_reason(host: Host) -> None:
    changed = set_duty(actor=OPERATOR, host=host, duty=HostDuty.MAINTENANCE, reason="new disks")
    assert changed.duty_reason == "new disks"
    event = Event.objects.get(target_id=host.pk)
    assert (event.kind, event.message, event.account_id) == ("host.maintenance", "sim1-h1 is now maintenance.", None)
    assert AuditEntry.objects.get(action="host.duty").changes == {
        "before": "active", "after": "maintenance", "reason": "new disks",
    }  # fmt: skip


def test_a_long_reason_is_cut(host: Host) -> None:
    assert len(set_duty(actor=OPERATOR, host=host, duty=HostDuty.DRAINING, reason="x" * 500).duty_reason) == 200


def test_customers_change_nothing(host: Host) -> None:
    with pytest.raises(Forbidden):
        set_duty(actor=replace(OPERATOR, is_operator=False), host=host, duty=HostDuty.DRAINING)
    host.refresh_from_db()
    assert host.duty == HostDuty.ACTIVE


@pytest.mark.parametrize("before", [HostDuty.MAINTENANCE, HostDuty.DRAINING])
def test_a_host_with_guests_is_not_retired(pod: Pod, before: HostDuty) -> None:
    first, second = take(2, spread="host")
    host = bring_to(Host.objects.get(pk=first.host_id), before)
    with pytest.raises(HostBusy, match="still holds 1 guests; delete or move them first"):
        set_duty(actor=OPERATOR, host=host, duty=HostDuty.RETIRED)
    release(first.holder_id)
    assert set_duty(actor=OPERATOR, host=host, duty=HostDuty.RETIRED).duty == HostDuty.RETIRED  # as it is now, not as it was read
    assert Host.objects.get(pk=second.host_id).guests == 1


@pytest.mark.parametrize("duty", [HostDuty.MAINTENANCE, HostDuty.DRAINING])
def test_only_active_hosts_take_guests(pod: Pod, host: Host, duty: HostDuty) -> None:
    set_duty(actor=OPERATOR, host=host, duty=duty)
    assert {row.host.name for row in take(5)} == {"sim1-h2"}
    set_duty(actor=OPERATOR, host=host, duty=HostDuty.ACTIVE)
    assert {row.host.name for row in take(2, spread="host")} == {"sim1-h1", "sim1-h2"}


@pytest.mark.parametrize(
    ("duty", "reachable", "shown"),
    [
        (HostDuty.ACTIVE, True, HostState.ONLINE),
        (HostDuty.ACTIVE, False, HostState.UNREACHABLE),
        (HostDuty.DRAINING, True, HostState.DRAINING),
        (HostDuty.DRAINING, False, HostState.UNREACHABLE),
        (HostDuty.MAINTENANCE, True, HostState.MAINTENANCE),
        (HostDuty.MAINTENANCE, False, HostState.MAINTENANCE),
        (HostDuty.RETIRED, True, HostState.RETIRED),
        (HostDuty.RETIRED, False, HostState.RETIRED),
    ],
)
def test_the_state_that_people_see(duty: HostDuty, reachable: bool, shown: HostState) -> None:
    assert shown_state(duty, reachable) == Host(duty=duty, reachable=reachable).state == shown
