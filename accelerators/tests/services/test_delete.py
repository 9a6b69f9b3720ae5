"""Deletion: the trash and its clock, for good, protected, and in the middle of something else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accelerators.errors import Protected, WrongState
from accelerators.models import Accelerator, Tag
from accelerators.services import delete as deleting
from accelerators.services.act import act
from accelerators.services.delete import delete, empty_trash, undelete
from accelerators.services.edit import Edit, edit_accelerator
from accelerators.services.power import stop
from accelerators.testing.world import World, make_world, unclean
from accounts.models import Account
from mcp.errors import NotFound
from mcp.operations.engine import run
from mcp.operations.errors import OperationInProgress
from mcp.operations.models import Operation
from mcp.operations.services.claim import claim_exactly
from mcp.testing.drain import drain, expire_leases
from pods.gear.errors import GearRefused, GearUnreachable
from pods.models import Address, Allocation

pytestmark = pytest.mark.django_db


def alive() -> frozenset[str]:
    return frozenset(str(pk) for pk in Accelerator.objects.exclude(state__in=["deleted", "failed"]).values_list("pk", flat=True))


def trashed(world: World, name: str = "web") -> Accelerator:
    row = world.running(name)
    delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    return Accelerator.objects.get(pk=row.pk, state="trashed")


def test_the_trash_keeps_room_address_and_guest_and_has_a_clock(world: World, settings: Settings) -> None:
    settings.TRASH_DAYS = 3
    row = trashed(world)
    assert row.trash_until is not None
    assert abs(row.trash_until - timezone.now() - timedelta(days=3)) < timedelta(minutes=1)
    assert (row.power_wanted, row.power_observed) == ("stopped", "stopped")
    assert unclean(world, expected=frozenset({str(row.pk)})) == []
    assert empty_trash() == 0


def test_out_of_the_trash_it_runs_at_its_old_address(world: World) -> None:
    row = trashed(world)
    address = Address.objects.get(holder_id=row.pk).ip
    undelete(actor=world.actor, accelerator_id=row.pk)
    drain()
    row.refresh_from_db()
    assert (row.state, row.trash_until, row.power_wanted) == ("running", None, "running")
    assert Address.objects.get(holder_id=row.pk).ip == address
    with pytest.raises(WrongState, match="only what is in the trash"):
        undelete(actor=world.actor, accelerator_id=row.pk)


def test_a_restore_that_fails_goes_back_into_the_trash(world: World) -> None:
    row = trashed(world)
    until = row.trash_until
    assert row.host is not None
    world.host(row.host.name).fail_next("start", GearRefused)
    undelete(actor=world.actor, accelerator_id=row.pk)
    drain()
    row.refresh_from_db()
    assert (row.state, row.trash_until) == ("trashed", until)


def test_the_clock_empties_the_trash_once_and_only_what_is_due(world: World) -> None:
    due, kept = trashed(world, "due"), trashed(world, "kept")
    Accelerator.objects.filter(pk=due.pk).update(trash_until=timezone.now() - timedelta(seconds=1))
    assert (empty_trash(), empty_trash()) == (1, 0)
    drain()
    due.refresh_from_db()
    assert due.state == "deleted"
    assert Operation.objects.filter(target_id=due.pk, kind="accelerator.delete", actor="system").count() == 1
    assert unclean(world, expected=frozenset({str(kept.pk)})) == []


def test_one_that_cannot_be_deleted_does_not_keep_the_rest_in_the_trash(world: World) -> None:
    protected, due = trashed(world, "first"), trashed(world, "second")
    Accelerator.objects.filter(pk=protected.pk).update(protected=True, trash_until=timezone.now() - timedelta(hours=2))
    Accelerator.objects.filter(pk=due.pk).update(trash_until=timezone.now() - timedelta(hours=1))
    assert empty_trash() == 1
    drain()
    assert set(Accelerator.objects.values_list("name", "state")) == {("first", "trashed"), ("second", "deleted")}


def test_what_was_restored_since_it_was_listed_is_not_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = trashed(world, "first"), trashed(world, "second")
    Accelerator.objects.filter(pk=first.pk).update(trash_until=timezone.now() - timedelta(hours=2))
    Accelerator.objects.filter(pk=second.pk).update(trash_until=timezone.now() - timedelta(hours=1))
    whole = act

    def slow(**wish: Any) -> Any:
        """Somebody restores the second while the first is being deleted."""
        if wish["accelerator_id"] == first.pk:
            undelete(actor=world.actor, accelerator_id=second.pk)
        return whole(**wish)

    monkeypatch.setattr(deleting, "act", slow)
    assert empty_trash() == 1
    drain()
    assert set(Accelerator.objects.values_list("name", "state")) == {("first", "deleted"), ("second", "running")}


def test_for_good_leaves_its_last_form_and_nothing_else(world: World) -> None:
    created = world.create(tags={"env": "x"}, user_script="#!/bin/sh\n")
    drain()
    row = created.accelerators[0]
    address = Address.objects.get(holder_id=row.pk).ip
    delete(actor=world.actor, accelerator_id=row.pk, now=True)
    drain()
    row = Accelerator.objects.get(pk=row.pk)
    assert (row.state, row.host, row.sealed_user_script, row.trash_until) == ("deleted", None, "", None)
    assert row.deleted_at is not None
    assert (row.last_known["addresses"], row.last_known["tags"], row.last_known["state"]) == (
        [str(address)],
        {"env": "x"},
        "deleted",
    )
    assert not Tag.objects.exists()
    assert Address.objects.get(ip=address).state == "quarantined"
    assert unclean(world) == []
    with pytest.raises(WrongState, match="deleted already"):
        delete(actor=world.actor, accelerator_id=row.pk)
    world.create()  # the name is free


def test_from_the_trash_it_is_for_good(world: World) -> None:
    row = trashed(world)
    _, operation = delete(actor=world.actor, accelerator_id=row.pk)
    assert operation.kind == "accelerator.delete"
    with pytest.raises(OperationInProgress):
        delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    assert unclean(world) == []


@pytest.mark.parametrize("now", [False, True])
def test_protected(world: World, now: bool) -> None:
    row = world.running(protected=True)
    with pytest.raises(Protected, match="set protected to false"):
        delete(actor=world.actor, accelerator_id=row.pk, now=now)
    row.refresh_from_db()
    assert (row.state, row.protected) == ("running", True)
    edit_accelerator(actor=world.actor, accelerator_id=row.pk, edit=Edit(protected=False))
    delete(actor=world.actor, accelerator_id=row.pk, now=now)


def test_a_failed_one_is_only_a_row_to_remove(world: World) -> None:
    for host in world.simulated.hosts():
        host.fail_next("create", GearRefused)
    row = world.create().accelerators[0]
    drain()
    row.refresh_from_db()
    assert (row.state, row.host_id) == ("failed", None)
    assert row.failure_message
    assert unclean(world) == []
    _, operation = delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    operation.refresh_from_db()
    row.refresh_from_db()
    assert (operation.kind, operation.state, row.state) == ("accelerator.delete", "succeeded", "deleted")


def test_before_anything_was_built(world: World) -> None:
    created = world.create()
    delete(actor=world.actor, accelerator_id=created.accelerators[0].pk)
    drain()
    created.operations[0].refresh_from_db()
    assert (created.operations[0].state, created.operations[0].error_code) == ("cancelled", "operation.superseded")
    assert world.guests() == set()
    assert unclean(world) == []


@pytest.mark.parametrize("deleted_first", [True, False])
def test_a_late_worker_of_the_replaced_create_changes_nothing(world: World, deleted_first: bool) -> None:
    """It was claimed, stalled, and wakes up after (or before) the deletion was carried out."""
    created = world.create()
    row = created.accelerators[0]
    late = claim_exactly(created.operations[0].pk, owner="late")
    assert late is not None
    delete(actor=world.actor, accelerator_id=row.pk)
    if deleted_first:
        drain()
    before = Accelerator.objects.filter(pk=row.pk).values().get()
    run(late)
    assert Accelerator.objects.filter(pk=row.pk).values().get() == before
    drain()
    row.refresh_from_db()
    assert row.state == "deleted"
    assert Operation.objects.get(pk=late.pk).state == "cancelled"
    assert unclean(world) == []


def test_a_built_guest_of_a_dead_worker_goes_with_the_deletion(world: World) -> None:
    created = world.create()
    row = created.accelerators[0]
    for host in world.simulated.hosts():
        host.fail_next("start", GearUnreachable, times=1)
    taken = claim_exactly(created.operations[0].pk, owner="w")
    assert taken is not None
    run(taken)  # built, not started; parked
    assert world.guests() == {str(row.pk)}
    delete(actor=world.actor, accelerator_id=row.pk)
    expire_leases()
    drain()
    assert unclean(world) == []


def test_a_stop_at_work_is_replaced(world: World) -> None:
    row = world.running()
    _, stopping = stop(actor=world.actor, accelerator_id=row.pk)
    delete(actor=world.actor, accelerator_id=row.pk, now=True)
    drain()
    stopping.refresh_from_db()
    assert stopping.state == "cancelled"
    assert unclean(world) == []


def test_room_is_kept_until_the_host_is_proven_clean(world: World) -> None:
    row = world.running()
    assert row.host is not None
    host = world.host(row.host.name)
    host.go_down()
    delete(actor=world.actor, accelerator_id=row.pk, now=True)
    drain(skip_pauses=False)
    assert Accelerator.objects.get(pk=row.pk).state == "deleting"
    assert Allocation.objects.filter(holder_id=row.pk).exists()
    assert Address.objects.get(holder_id=row.pk).state == "assigned"
    host.come_up()
    drain()
    assert unclean(world) == []


def test_a_suspended_account_deletes_and_others_cannot(world: World) -> None:
    row = world.running()
    Account.objects.filter(pk=world.account.pk).update(state="suspended")
    with pytest.raises(NotFound):
        delete(actor=make_world(cidr="10.97.0.0/24").actor, accelerator_id=row.pk)
    delete(actor=world.actor, accelerator_id=row.pk, now=True)
    drain()
    assert unclean(world) == []
