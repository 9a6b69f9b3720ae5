"""What all verbs on one accelerator share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accelerators.models import Accelerator
from accelerators.services.delete import delete, undelete
from accelerators.services.edit import Edit, edit_accelerator
from accelerators.services.power import restart, start, stop
from accelerators.testing.world import World
from accounts.actor import system
from accounts.models import Account
from accounts.services.limits import AccountSuspended
from mcp.operations.models import Operation
from mcp.testing.drain import drain

pytestmark = pytest.mark.django_db


def suspend(world: World) -> None:
    Account.objects.filter(pk=world.account.pk).update(state=Account.State.SUSPENDED)


@pytest.mark.parametrize("verb", [start, restart, undelete])
def test_a_suspended_account_uses_nothing_more(world: World, verb: Callable[..., Any]) -> None:
    accelerator = world.running()
    suspend(world)
    before = Operation.objects.count()
    with pytest.raises(AccountSuspended, match="can read, stop and delete"):
        verb(actor=world.actor, accelerator_id=accelerator.pk)
    with pytest.raises(AccountSuspended):
        edit_accelerator(actor=world.actor, accelerator_id=accelerator.pk, edit=Edit(name="other"))
    assert Operation.objects.count() == before


def test_a_suspended_account_gives_back(world: World) -> None:
    accelerator = world.running()
    suspend(world)
    stop(actor=world.actor, accelerator_id=accelerator.pk)
    drain()
    delete(actor=world.actor, accelerator_id=accelerator.pk)
    drain()
    assert Accelerator.objects.get(pk=accelerator.pk).state == "trashed"


def test_an_operator_acts_for_a_suspended_account(world: World) -> None:
    accelerator = world.running()
    suspend(world)
    restart(actor=system(), accelerator_id=accelerator.pk)
    drain()
    assert Accelerator.objects.get(pk=accelerator.pk).state == "running"
