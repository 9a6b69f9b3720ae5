"""Addresses: the order they are given out in, their rest, exhaustion, and many who ask at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.actor import system
from mcp.ids import new_id
from pods.errors import AddressesExhausted
from pods.models import Address, Network
from pods.services.addresses import lease_addresses, release_addresses
from pods.services.enrol import NetworkWish, add_pod
from pods.states import AddressState
from pods.tests.services.racing import THREADS, race

pytestmark = pytest.mark.django_db
transactional = pytest.mark.django_db(transaction=True)
OWNER = new_id()


def network(cidr: str = "10.50.0.0/29", **wish: Any) -> Network:
    """The network of a pod of its own; a /29 has six addresses."""
    pod = add_pod(actor=system(), slug=f"net-{Network.objects.count()}", network=NetworkWish(cidr, **wish))
    return Network.objects.get(pod=pod)


def lease(of: Network, count: int = 1) -> list[Address]:
    """In a transaction of its own."""
    with transaction.atomic():
        return lease_addresses(of, holders=[new_id() for _ in range(count)], account_id=OWNER)


def ips(rows: list[Address]) -> list[str]:
    return [row.ip for row in rows]


def holder(row: Address) -> UUID:
    assert row.holder_id is not None
    return row.holder_id


def rested(*rows: Address) -> None:
    """As if their quarantine were over; the first of them rested longest."""
    past = timezone.now() - timedelta(hours=1)
    for index, row in enumerate(rows):
        Address.objects.filter(pk=row.pk).update(free_from=past + timedelta(seconds=index))


def test_fresh_addresses_come_in_order() -> None:
    net = network()
    assert ips(lease(net, 2)) + ips(lease(net)) == ["10.50.0.1", "10.50.0.2", "10.50.0.3"]


def test_a_network_read_too_early_gives_nothing_out_twice() -> None:
    net = network()
    early = Network.objects.get(pk=net.pk)
    assert ips(lease(net, 2)) == ["10.50.0.1", "10.50.0.2"]
    assert ips(lease(early, 2)) == ["10.50.0.3", "10.50.0.4"]
    assert ips(lease(net)) == ["10.50.0.5"]


def test_a_lease_of_fresh_addresses_is_two_writes(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    net = network()
    with transaction.atomic(), django_assert_num_queries(2):
        lease_addresses(net, holders=[new_id(), new_id()], account_id=OWNER)


def test_a_leased_address_names_its_holder_and_account() -> None:
    net, who = network(), new_id()
    with transaction.atomic():
        (row,) = lease_addresses(net, holders=[who], account_id=OWNER)
    row.refresh_from_db()
    assert (row.state, row.holder_id, row.account_id, row.free_from) == (AddressState.ASSIGNED, who, OWNER, None)


def test_the_gateway_and_what_is_outside_the_range_are_never_given_out() -> None:
    net = network("10.51.0.0/24", gateway="10.51.0.1", range_first="10.51.0.10", range_last="10.51.0.12")
    assert ips(lease(net, 3)) == ["10.51.0.10", "10.51.0.11", "10.51.0.12"]
    with pytest.raises(AddressesExhausted):
        lease(net)
    assert ips(lease(network("10.52.0.0/30", gateway="10.52.0.1"))) == ["10.52.0.2"]


def test_fresh_ones_go_before_rested_ones() -> None:
    net = network()
    (first,) = lease(net)
    release_addresses(holder(first))
    rested(first)
    assert ips(lease(net)) == ["10.50.0.2"]


def test_those_that_rested_longest_go_first_once_none_is_fresh() -> None:
    net = network()
    rows = lease(net, 6)
    for row in rows[:3]:
        release_addresses(holder(row))
    rested(rows[1], rows[2], rows[0])
    assert ips(lease(net, 2)) == [rows[1].ip, rows[2].ip]
    assert ips(lease(net)) == [rows[0].ip]


def test_fresh_and_rested_ones_together() -> None:
    net = network()
    rows = lease(net, 5)
    release_addresses(holder(rows[0]))
    rested(rows[0])
    assert ips(lease(net, 2)) == ["10.50.0.6", "10.50.0.1"]


def test_a_released_address_rests(settings: Any) -> None:
    settings.ADDRESS_QUARANTINE_S = 600
    net = network()
    rows = lease(net, 6)
    before = timezone.now()
    assert release_addresses(holder(rows[3])) == 1
    row = Address.objects.get(pk=rows[3].pk)
    assert (row.state, row.holder_id, row.account_id) == (AddressState.QUARANTINED, None, None)
    assert row.free_from is not None
    assert row.free_from >= before + timedelta(seconds=600)
    with pytest.raises(AddressesExhausted):
        lease(net)
    rested(row)
    assert ips(lease(net)) == [row.ip]


def test_release_is_repeatable_and_does_not_lengthen_the_rest() -> None:
    net = network()
    (row,) = lease(net)
    who = holder(row)
    assert release_addresses(who) == 1
    until = Address.objects.get(pk=row.pk).free_from
    assert release_addresses(who) == 0
    assert release_addresses(new_id()) == 0
    assert Address.objects.get(pk=row.pk).free_from == until


def test_all_addresses_of_a_holder_are_released() -> None:
    net, other, who = network(), network("10.53.0.0/29"), new_id()
    with transaction.atomic():
        lease_addresses(net, holders=[who], account_id=OWNER)
        lease_addresses(other, holders=[who], account_id=OWNER)
    assert release_addresses(who) == 2


def test_exhaustion_tells_the_figures() -> None:
    net = network()
    rows = lease(net, 6)
    for row in rows[:3]:
        release_addresses(holder(row))
    rested(rows[0])
    with pytest.raises(AddressesExhausted) as refusal:
        lease(net, 4)
    assert "The network public has 1 of 4 addresses that are still needed; 2 more rest after use." in refusal.value.detail


def test_all_or_none() -> None:
    net = network()
    lease(net, 4)
    with pytest.raises(AddressesExhausted):
        lease(net, 3)
    assert Address.objects.count() == 4
    assert ips(lease(net, 2)) == ["10.50.0.5", "10.50.0.6"]


def test_the_callers_rollback_leaves_nothing() -> None:
    net = network()
    with transaction.atomic():
        assert len(lease(net, 3)) == 3
        transaction.set_rollback(True)
    assert not Address.objects.exists()
    assert ips(lease(net)) == ["10.50.0.1"]


def test_networks_do_not_share_addresses_or_their_rest() -> None:
    net, other = network(), network()
    rows = lease(net, 6)
    release_addresses(holder(rows[0]))
    rested(rows[0])
    assert ips(lease(other)) == ["10.50.0.1"]


def test_the_database_refuses_two_rows_of_one_address_and_one_without_holder() -> None:
    net = network()
    lease(net)
    fields = {"network": net, "ip": "10.50.0.1", "state": AddressState.ASSIGNED}
    with pytest.raises(IntegrityError), transaction.atomic():
        Address.objects.create(**fields, holder_id=new_id())
    with pytest.raises(IntegrityError), transaction.atomic():
        Address.objects.create(**fields | {"ip": "10.50.0.2"})


@transactional
def test_a_lease_wants_the_callers_transaction() -> None:
    with pytest.raises(AssertionError):
        lease_addresses(network(), holders=[new_id()], account_id=OWNER)


def everybody_at_once(rounds: int) -> None:
    """As many leases as addresses, a third of them rested ones: each succeeds, none twice; one more fails."""
    size = rounds * THREADS
    net = network("10.54.0.0/16", range_first="10.54.1.1", range_last=f"10.54.1.{size}")
    for row in (old := lease(net, size // 3)):
        release_addresses(holder(row))
    rested(*old)
    given = race(lambda _: [ip for _ in range(rounds) for ip in ips(lease(net))])
    assert len({ip for mine in given for ip in mine}) == size
    assert Address.objects.filter(state=AddressState.ASSIGNED).count() == Address.objects.count() == size
    with pytest.raises(AddressesExhausted, match="has 0 of 1"):
        lease(net)


def come_and_go(rounds: int) -> None:
    """Without a rest, addresses pass from hand to hand; while held, each has one holder."""
    net = network("10.55.0.0/27")

    def live(_: int) -> int:
        for _ in range(rounds):
            for row in lease(net, 3):
                assert Address.objects.get(pk=row.pk).holder_id == row.holder_id
                assert release_addresses(holder(row)) == 1
        return rounds

    assert race(live) == [rounds] * THREADS
    assert not Address.objects.filter(state=AddressState.ASSIGNED).exists()


@pytest.mark.postgres
@transactional
def test_postgresql_gives_no_address_twice(on_postgres: None) -> None:
    everybody_at_once(20)


@pytest.mark.postgres
@transactional
def test_postgresql_passes_addresses_from_hand_to_hand(on_postgres: None, settings: Any) -> None:
    settings.ADDRESS_QUARANTINE_S = 0
    come_and_go(20)


@transactional
def test_any_database_gives_no_address_twice() -> None:
    everybody_at_once(3)


@transactional
def test_any_database_passes_addresses_from_hand_to_hand(settings: Any) -> None:
    settings.ADDRESS_QUARANTINE_S = 0
    come_and_go(3)
