"""N+1 against an oracle: whatever the planner accepts leaves every loss absorbable, and what it refuses is refused for cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pods.placement.board import Board, largest_first
from pods.placement.planner import plan
from pods.placement.request import Guest, Need, PlacementRequest
from pods.placement.reserve import Reserve
from pods.tests.placement.fleets import Machine, fleet_of

Vector = tuple[int, int, int]


def guest(number: int, host: int, size: Vector, **more: object) -> Guest:
    return replace(Guest(id=f"g{number}", name=f"g{number}", host=host, need=Need(*size)), **more)  # type: ignore[arg-type]  # fields


def absorbable(capacity: Sequence[Vector], placed: Sequence[tuple[int, Vector]], lost: int) -> bool:
    """Every way of giving a lost host's guests to the others, tried out."""
    others = [row for row in range(len(capacity)) if row != lost]
    free = {row: list(capacity[row]) for row in others}
    for row, size in placed:
        if row != lost:
            free[row] = [have - take for have, take in zip(free[row], size, strict=True)]
    leaving = [size for row, size in placed if row == lost]
    for choice in product(others, repeat=len(leaving)):
        left = {row: list(have) for row, have in free.items()}
        for row, size in zip(choice, leaving, strict=True):
            left[row] = [have - take for have, take in zip(left[row], size, strict=True)]
        if all(amount >= 0 for have in left.values() for amount in have):
            return True
    return False


SIZE = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=150, deadline=None)
@given(
    capacity=st.lists(st.tuples(st.integers(2, 7), st.integers(2, 7), st.integers(2, 7)), min_size=2, max_size=4),
    sizes=st.lists(SIZE, min_size=1, max_size=7),
)
def test_whatever_arrives_every_loss_can_be_absorbed(capacity: list[Vector], sizes: list[Vector]) -> None:
    """Guests arrive one by one, each planned on the fleet as it is by then."""
    placed: list[tuple[int, Vector]] = []
    for size in sizes:
        used = [tuple(sum(taken[d] for row, taken in placed if row == host) for d in range(3)) for host in range(len(capacity))]
        machines = [
            Machine(f"h{n}", capacity=cap, used=used[n], n_plus_one=True)  # type: ignore[arg-type]  # of three
            for n, cap in enumerate(capacity)
        ]
        residents = [guest(n, row, taken) for n, (row, taken) in enumerate(placed)]
        decision = plan(PlacementRequest(need=Need(*size), kind="zone"), fleet_of(machines, residents), rng=Random(0))
        if decision.hosts:
            placed.append((int(decision.hosts[0][1:]), size))
            assert all(absorbable(capacity, placed, lost) for lost in range(len(capacity)))
        else:
            assert sum(decision.explanation.removed.values()) + sum(decision.explanation.short.values()) == len(capacity)


@settings(max_examples=100, deadline=None)
@given(hosts=st.integers(2, 5), slots=st.integers(1, 4), count=st.integers(1, 25))
def test_equal_guests_fill_a_pod_exactly_to_the_reserve(hosts: int, slots: int, count: int) -> None:
    """With guests of one size first fit is exact: the most that can arrive leave one host's worth of room."""
    machines = [Machine(f"h{n}", capacity=(slots, slots, slots), n_plus_one=True) for n in range(hosts)]
    decision = plan(PlacementRequest(need=Need(1, 1, 1), kind="zone", count=count), fleet_of(machines), rng=Random(1))
    assert len(decision.hosts) == min(count, (hosts - 1) * slots)
    if count > len(decision.hosts):
        told = decision.explanation
        assert told.removed["n_plus_one"] + sum(told.short.values()) == hosts
        assert told.removed["n_plus_one"] >= 1


def test_room_that_nobody_could_give_back_whole_is_no_room() -> None:
    """Two hosts with one place each: a guest of two on the third fits, and would be lost with it."""
    machines = [
        Machine(f"h{n}", capacity=(4, 4, 4), used=(used, used, used), n_plus_one=True) for n, used in enumerate((3, 3, 0))
    ]
    residents = [guest(n, row, (1, 1, 1)) for n, row in enumerate((0, 0, 0, 1, 1, 1))]
    decision = plan(PlacementRequest(need=Need(1, 1, 1), kind="zone"), fleet_of(machines, residents), rng=Random(1))
    assert decision.hosts
    assert decision.explanation.removed["n_plus_one"] == 0
    again = plan(PlacementRequest(need=Need(2, 2, 2), kind="zone"), fleet_of(machines, residents), rng=Random(1))
    assert again.hosts == ()
    assert (again.explanation.short["cpu"], again.explanation.removed["n_plus_one"]) == (2, 1)


def test_a_pod_of_one_host_cannot_absorb_its_loss() -> None:
    decision = plan(PlacementRequest(need=Need(1, 1, 1), kind="zone"), fleet_of([Machine("a", n_plus_one=True)]))
    assert decision.hosts == ()
    assert decision.explanation.removed["n_plus_one"] == 1
    assert decision.candidates == ()


def test_other_pods_are_not_asked() -> None:
    machines = [Machine("a", pod="p1", n_plus_one=True), Machine("b", pod="p2")]
    decision = plan(PlacementRequest(need=Need(1, 1, 1), kind="zone"), fleet_of(machines))
    assert decision.hosts == ("b",)
    assert decision.candidates == ("b",)
    assert decision.explanation.removed["n_plus_one"] == 1


def test_preemptible_guests_need_no_reserve_and_are_none() -> None:
    machines = [Machine(f"h{n}", capacity=(4, 4, 4), n_plus_one=True, lends=True) for n in range(2)]
    asked = PlacementRequest(need=Need(4, 4, 4), kind="zone", preemptible=True, count=2)
    assert len(plan(asked, fleet_of(machines)).hosts) == 2
    lent = [replace(machine, spot=(4, 4, 0)) for machine in machines]
    resident = guest(0, 0, (4, 4, 4), preemptible=True)
    assert len(plan(PlacementRequest(need=Need(2, 2, 2), kind="zone"), fleet_of(lent, [resident])).hosts) == 1


def test_a_lost_hosts_guests_keep_their_rules() -> None:
    """A guest that needs an ssd is not absorbed by a host without; members of a group not by a host with one."""
    bare = [Machine("a", traits=frozenset({"ssd"}), used=(1, 1, 1), n_plus_one=True), Machine("b", n_plus_one=True)]
    picky = guest(0, 0, (1, 1, 1), required=frozenset({"ssd"}))
    assert not Reserve(fleet_of(bare, [picky]), 0, [picky]).holds()
    assert Reserve(fleet_of(bare), 0, [replace(picky, required=frozenset())]).holds()
    apart = [guest(n, n, (1, 1, 1), group="db", spread="host") for n in range(2)]
    full = [Machine(name, used=(1, 1, 1), n_plus_one=True) for name in "ab"]
    assert not Reserve(fleet_of(full), 0, apart).holds()
    third = [*full, Machine("c", n_plus_one=True)]
    assert Reserve(fleet_of(third), 0, apart).holds()


def test_headroom_names_who_would_be_left_over() -> None:
    machines = [Machine("a", capacity=(4, 4, 4), used=(4, 4, 4)), Machine("b", capacity=(3, 3, 3))]
    residents = [guest(0, 0, (3, 3, 3)), guest(1, 0, (1, 1, 1))]
    headroom = Reserve(fleet_of(machines), 0, residents).headroom()
    assert headroom.absorbed == (1,)
    assert headroom.stranded == {0: ("g1",)}


def test_asking_changes_nothing() -> None:
    machines = [Machine(f"h{n}", capacity=(4, 4, 4), n_plus_one=True) for n in range(3)]
    reserve = Reserve(fleet_of(machines), 0, [])
    request = PlacementRequest(need=Need(4, 4, 4), kind="zone")
    assert [reserve.allows(row, request) for row in (0, 0, 1)] == [True, True, True]
    reserve.add(0, request)
    reserve.add(1, request)
    assert reserve.holds()
    assert not reserve.allows(2, request)


def test_the_board_takes_back_what_it_was_given() -> None:
    fleet = fleet_of([Machine("a"), Machine("b")])
    board = Board(fleet)
    one = guest(0, 0, (1000, 1024, 10), group="db", spread="host")
    before = board.free.copy()
    board.put(one, 0)
    assert list(board.fits(one)) == [False, True]
    board.take(one, 0)
    assert (board.free == before).all()
    assert list(board.fits(one)) == [True, True]
    assert (fleet.free == before).all()


def test_the_bulkiest_come_first() -> None:
    fleet = fleet_of([Machine("a", capacity=(100, 1000, 10))])
    small, wide, tall = guest(1, 0, (1, 1, 1)), guest(2, 0, (1, 900, 1)), guest(3, 0, (95, 1, 1))
    assert [g.id for g in largest_first([small, wide, tall], fleet)] == ["g3", "g2", "g1"]
    assert largest_first([], fleet) == []
