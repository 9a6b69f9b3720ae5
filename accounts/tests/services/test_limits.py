"""Limits are counted from live rows, and refused before anything is taken."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.actor import system
from accounts.models import Account, AccountLimit
from accounts.models.account import DEFAULT_LIMITS
from accounts.services.accounts import set_account_state
from accounts.services.govern import govern_account
from accounts.services.limits import AccountSuspended, demand_room, limits_of, limits_with_use, lock_account
from accounts.testing import actor_with, make_account, make_key
from mcp.errors import Conflict, Forbidden, InvalidInput, LimitExceeded
from mcp.events.models import AuditEntry

pytestmark = pytest.mark.django_db


def use(account: Account) -> dict[str, int]:
    return {line.resource: line.used for line in limits_with_use(account)}


def test_defaults_and_exceptions(account: Account) -> None:
    assert limits_of(account) == DEFAULT_LIMITS
    AccountLimit.objects.create(account=account, resource="members", limit=1)
    AccountLimit.objects.create(account=account, resource="vcpus", limit=None)
    assert limits_of(account) == {**DEFAULT_LIMITS, "members": 1, "vcpus": None}
    assert limits_of(make_account("other")) == DEFAULT_LIMITS


def test_use_is_that_of_the_account_alone_and_every_limit_is_listed(account: Account) -> None:
    make_key(account)
    make_key(make_account("other"))
    assert use(account) == {**dict.fromkeys(DEFAULT_LIMITS, 0), "api_keys": 1, "members": 1}


def test_a_revoked_key_does_not_count(account: Account) -> None:
    make_key(account)
    account.api_keys.update(revoked_at=account.created_at)
    assert use(account)["api_keys"] == 0


def test_asking_costs_the_same_whatever_there_is(account: Account, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    limits_with_use(account)
    for _ in range(5):
        make_key(account)
    with django_assert_num_queries(5):  # limits, keys, api keys, members, accelerators
        limits_with_use(account)


def test_a_demand_counts_only_what_it_is_about(account: Account, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):  # limits, keys
        assert [line.resource for line in demand_room(account, {"api_keys": 1})] == ["api_keys"]
    with django_assert_num_queries(2):  # limits, one sum over accelerators
        after = {line.resource: line.used for line in demand_room(account, {"accelerators": 2, "vcpus": 3})}
    assert after == {"accelerators": 2, "vcpus": 3, "memory_mib": 0, "disk_gib": 0}
    AccountLimit.objects.create(account=account, resource="moons", limit=1)
    with pytest.raises(LimitExceeded, match="moons: 0 of 1 used, 2 asked"):  # nobody counts these
        demand_room(account, {"moons": 2})


@pytest.mark.parametrize(("asked", "fits"), [(1, True), (2, True), (3, False), (10**9, False), (0, True)])
def test_up_to_the_limit_and_not_beyond(account: Account, asked: int, fits: bool) -> None:
    make_key(account)
    AccountLimit.objects.create(account=account, resource="api_keys", limit=3)
    if fits:
        after = {line.resource: line for line in demand_room(account, {"api_keys": asked})}
        assert (after["api_keys"].used, after["api_keys"].limit) == (1 + asked, 3)
        return
    with pytest.raises(LimitExceeded) as refused:
        demand_room(account, {"api_keys": asked})
    assert refused.value.context["short"] == [f"api_keys: 1 of 3 used, {asked} asked"]


def test_every_limit_that_is_short_is_named_and_none_is_no_limit(account: Account) -> None:
    AccountLimit.objects.create(account=account, resource="members", limit=0)
    AccountLimit.objects.create(account=account, resource="ssh_keys", limit=0)
    AccountLimit.objects.create(account=account, resource="vcpus", limit=None)
    with pytest.raises(LimitExceeded) as refused:
        demand_room(account, {"members": 1, "ssh_keys": 2, "vcpus": 10**9, "disk_gib": 1})
    assert [line.split(":")[0] for line in refused.value.context["short"]] == ["ssh_keys", "members"]


def test_a_limit_set_below_the_use_stops_only_what_is_new(account: Account) -> None:
    make_key(account)
    govern_account(actor=system(), account=account, limits={"api_keys": 0})
    demand_room(account, {"members": 1})
    with pytest.raises(LimitExceeded):
        demand_room(account, {"api_keys": 1})
    assert AuditEntry.objects.get(action="account.govern").changes == {"limits.api_keys": [50, 0]}
    govern_account(actor=system(), account=account, limits={"api_keys": 0})  # nothing new, nothing audited
    assert AuditEntry.objects.filter(action="account.govern").count() == 1


def test_governing_refuses(account: Account) -> None:
    with pytest.raises(InvalidInput) as refused:
        govern_account(actor=system(), account=account, limits={"gpus": 1})
    assert refused.value.errors[0].field == "limits"
    with pytest.raises(InvalidInput):
        govern_account(actor=system(), account=account, state="gone")
    with pytest.raises(Forbidden):
        govern_account(actor=actor_with(make_key(account)), account=account, limits={"api_keys": 1})
    assert limits_of(account) == DEFAULT_LIMITS


def test_locking_refuses_what_is_not_active(account: Account) -> None:
    assert lock_account(account.pk) == account
    set_account_state(actor=system(), account=account, state=Account.State.SUSPENDED)
    with pytest.raises(AccountSuspended, match="read, stop and delete"):
        lock_account(account.pk)
    set_account_state(actor=system(), account=account, state=Account.State.ACTIVE)
    assert lock_account(account.pk) == account
    set_account_state(actor=system(), account=account, state=Account.State.CLOSED)
    with pytest.raises(Conflict, match="closed"):
        lock_account(account.pk)
    with pytest.raises(Conflict, match="closed"):
        set_account_state(actor=system(), account=account, state=Account.State.ACTIVE)
