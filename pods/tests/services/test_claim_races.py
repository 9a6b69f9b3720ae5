"""Many claims at once: every place is given, none twice, and nobody is refused while there is room."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from pods.errors import CapacityExhausted
from pods.models import Allocation, Host
from pods.placement.request import Need
from pods.services.claim import release
from pods.tests.services.claims import NEED, pod_for, take, wrong
from pods.tests.services.racing import THREADS, race

transactional = pytest.mark.django_db(transaction=True)


def hammer_nearly_full(rounds: int, hosts: int = 4) -> None:
    """As many claims as places are left, all at once: each must succeed. Then everybody asks once more: each must fail."""
    pod_for(rounds * THREADS // hosts + 1, hosts=hosts)
    take(hosts)  # so it is not empty when they come

    def claim_all(number: int) -> int:
        return sum(len(take(1)) for _ in range(rounds))

    def claim_too_much(number: int) -> bool:
        with pytest.raises(CapacityExhausted, match=f"{hosts} short of memory"):
            take(1)
        return True

    assert sum(race(claim_all)) == rounds * THREADS
    assert all(race(claim_too_much))
    assert Allocation.objects.count() == rounds * THREADS + hosts
    assert not Host.objects.exclude(guests=rounds * THREADS // hosts + 1).exists()
    assert wrong() == []


def more_than_there_is(rounds: int) -> None:
    """Twice as many claims as places: exactly the places are given."""
    pod_for(rounds * THREADS // 4, hosts=2)

    def claim_some(number: int) -> int:
        got = 0
        for _ in range(rounds):
            try:
                got += len(take(1))
            except CapacityExhausted:
                assert not room_left()
        return got

    assert sum(race(claim_some)) == Allocation.objects.count() == rounds * THREADS // 2
    assert wrong() == []


def room_left() -> bool:
    """Whether a guest would fit; nobody gives room back in that test, so a "yes" after a refusal proves the refusal false."""
    return any(host.cap_memory_mib - host.used_memory_mib >= NEED.memory_mib for host in Host.objects.all())


def come_and_go(rounds: int) -> None:
    """Guests of several sizes, alone and by threes, come and go; the books are right at the end, and empty once all left."""
    pod_for(20, hosts=3)

    def live(number: int) -> list[UUID]:
        dice, mine = random.Random(number), list[UUID]()
        for _ in range(rounds):
            if mine and dice.random() < 0.4:
                assert release(mine.pop(dice.randrange(len(mine))))
                continue
            try:
                rows = take(dice.choice([1, 3]), need=Need(100, dice.choice([64, 256, 512]), 1))
            except CapacityExhausted:
                continue
            mine += [row.holder_id for row in rows]
        return mine

    left = [holder for mine in race(live) for holder in mine]
    assert {row.holder_id for row in Allocation.objects.all()} == set(left)
    assert wrong() == []

    def leave(number: int) -> bool:
        return all(release(holder) for holder in left[number::THREADS])

    assert all(race(leave))
    assert not Host.objects.exclude(guests=0, used_cpu_m=0, used_memory_mib=0, used_disk_gib=0).exists()


def one_group_a_host_each(rounds: int) -> None:
    """As many members as hosts join at once: nobody is refused, and no two share a host."""
    pod_for(rounds, hosts=THREADS)
    for number in range(rounds):
        group = f"group-{number}"
        rows = race(lambda _, group=group: take(1, spread="host", group=group)[0])  # type: ignore[misc]  # its default binds it
        assert len({row.host_id for row in rows}) == THREADS
    assert wrong() == []


@pytest.mark.postgres
@transactional
def test_postgresql_gives_every_place_and_refuses_nobody_falsely(on_postgres: None) -> None:
    hammer_nearly_full(20)


@pytest.mark.postgres
@transactional
def test_postgresql_gives_no_more_than_there_is(on_postgres: None) -> None:
    more_than_there_is(20)


@pytest.mark.postgres
@transactional
def test_postgresql_keeps_its_books_while_guests_come_and_go(on_postgres: None) -> None:
    come_and_go(30)


@pytest.mark.postgres
@transactional
def test_postgresql_keeps_a_group_apart_that_joins_at_once(on_postgres: None) -> None:
    one_group_a_host_each(4)


@transactional
def test_any_database_gives_every_place_and_refuses_nobody_falsely() -> None:
    hammer_nearly_full(4)


@transactional
def test_any_database_gives_no_more_than_there_is() -> None:
    more_than_there_is(4)


@transactional
def test_any_database_keeps_its_books_while_guests_come_and_go() -> None:
    come_and_go(5)


@transactional
def test_any_database_keeps_a_group_apart_that_joins_at_once() -> None:
    one_group_a_host_each(1)
