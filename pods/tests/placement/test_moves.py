"""Plans of moves: examples for each rule, each reason, and the estimated time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pods.placement.moves import MovePlan, Pace, PlannedMove, duration, plan_evacuation, plan_rebalance
from pods.placement.request import Fleet, Guest, Need
from pods.placement.reserve import Reserve
from pods.tests.placement.fleets import SMALL, Machine, fleet_of

ONE = (1000, 1024, 10)
BIG = Need(cpu_m=3000, memory_mib=3072, disk_gib=30)


def guest(name: str, host: int = 0, need: Need = SMALL, **facts: Any) -> Guest:
    return replace(Guest(id=name, name=f"called-{name}", host=host, need=need), **facts)


def evacuated(machines: list[Machine], guests: list[Guest], rows: list[int] | None = None, **more: Any) -> MovePlan:
    residents = guests if any(machine.n_plus_one for machine in machines) else ()
    return plan_evacuation(fleet_of(machines, residents), guests, rows or [0], **more)


def times(number: int) -> tuple[int, int, int]:
    return (1000 * number, 1024 * number, 10 * number)


def reason(found: MovePlan) -> str:
    assert len(found.stuck) == 1, found
    assert not found.moves
    return found.stuck[0].reason


def test_the_bulkiest_go_first_and_all_go() -> None:
    found = evacuated(
        [Machine("h1", used=times(5)), Machine("h2"), Machine("h3")],
        [guest("a"), guest("b", need=BIG), guest("c"), guest("other", host=1)],
    )
    assert [move.guest.id for move in found.moves] == ["b", "a", "c"]
    assert {move.target for move in found.moves} <= {1, 2}
    assert not found.stuck
    assert found.after[0].tolist() == [0, 0, 0]
    assert (found.after.sum(axis=0) == found.before.sum(axis=0)).all()


def test_it_stays_in_its_pod_and_says_so() -> None:
    found = evacuated([Machine("h1", used=ONE), Machine("h2", pod="p2")], [guest("a")])
    assert reason(found) == ("It must stay in pod p1, whose network holds its address, and the pod has no other host for it.")


@pytest.mark.parametrize(
    ("other", "facts", "words"),
    [
        (Machine("h2", used=times(10)), {}, "1 short of cpu"),
        (Machine("h2", capacity=(10_000, 512, 100)), {}, "1 short of memory"),
        (Machine("h2", capacity=(10_000, 10_240, 5)), {}, "1 short of disk"),
        (Machine("h2", kinds=frozenset({"vm"})), {}, "1 not for zones"),
        (Machine("h2"), {"required": frozenset({"ssd"})}, "1 without what the plan needs"),
        (Machine("h2", traits=frozenset({"old"})), {"forbidden": frozenset({"old"})}, "1 without what the plan needs"),
        (Machine("h2", owner="somebody"), {"account": "me"}, "1 kept for other accounts"),
        (Machine("h2", accepting=False), {}, "1 not taking guests"),
        (Machine("h2"), {"preemptible": True}, "1 not lending idle room now"),
    ],
)
def test_each_rule_is_kept_and_named(other: Machine, facts: dict[str, Any], words: str) -> None:
    told = reason(evacuated([Machine("h1", used=ONE, owner=""), other], [guest("a", **facts)]))
    assert told.endswith(f"of the 1 host it might go to there, {words}.")


def test_its_group_stays_apart() -> None:
    group: dict[str, Any] = {"group": "g", "spread": "host"}
    machines = [Machine("h1", used=ONE), Machine("h2", used=ONE)]
    found = evacuated(machines, [guest("a", **group), guest("b", host=1, **group)])
    assert "1 already used by the group" in reason(found)
    two = evacuated(machines, [guest("a", **group, spread_limit=2), guest("b", host=1, **group, spread_limit=2)])
    assert len(two.moves) == 1


def test_a_group_spread_over_pods_may_move_inside_one() -> None:
    group: dict[str, Any] = {"group": "g", "spread": "pod"}
    guests = [guest("a", **group), guest("b", host=2, **group)]
    found = evacuated([Machine("h1", used=ONE), Machine("h2"), Machine("h3", pod="p2", used=ONE)], guests)
    assert [(move.guest.id, move.target) for move in found.moves] == [("a", 1)]


def test_the_room_of_an_own_host_is_for_its_account() -> None:
    machines = [Machine("h1", used=ONE), Machine("h2", owner="me"), Machine("h3", used=times(10))]
    assert [move.target for move in evacuated(machines, [guest("a", account="me")]).moves] == [1]


def test_what_cannot_move_now_is_listed_with_its_reason() -> None:
    found = evacuated([Machine("h1", used=times(2)), Machine("h2")], [guest("a"), guest("b")], blocked={"a": "It is being made."})
    assert [move.guest.id for move in found.moves] == ["b"]
    assert [(one.guest.id, one.reason) for one in found.stuck] == [("a", "It is being made.")]


def test_n_plus_one_is_kept_where_asked() -> None:
    """Two hosts left, each of which must be able to hold what the other has: six of ten does not fit beside six."""
    machines = [Machine("h1", used=times(4), n_plus_one=True), Machine("h2", used=times(4)), Machine("h3", used=times(4))]
    guests = [guest(f"{host}-{n}", host=host) for host in range(3) for n in range(4)]
    found = evacuated(machines, guests)
    assert len(found.moves) == 2
    why = "of the 2 hosts it might go to there, 2 needed in case another host is lost."
    assert all(one.reason.endswith(why) for one in found.stuck)
    assert len(evacuated([replace(machine, n_plus_one=False) for machine in machines], guests).moves) == 4


def test_a_reserve_forgets_who_left() -> None:
    machines = [Machine("h1", used=times(2), capacity=times(2)), Machine("h2", used=ONE, capacity=times(2))]
    guests = [guest("a"), guest("b"), guest("c", host=1)]
    reserve = Reserve(fleet_of(machines), 0, guests)
    assert not reserve.holds()
    assert reserve.leave(0, "a") == guests[0]
    assert reserve.holds()
    assert reserve.leave(0, "a") is None
    reserve.add(0, guests[0])
    assert not reserve.holds()


def test_several_hosts_at_once_leave_nothing_to_each_other() -> None:
    machines = [Machine("h1", used=ONE), Machine("h2", used=ONE), Machine("h3")]
    found = evacuated(machines, [guest("a"), guest("b", host=1)], rows=[0, 1])
    assert {move.target for move in found.moves} == {2}
    assert found.after[:2].sum() == 0


def move(name: str, source: int, target: int, disk_gib: int = 1) -> PlannedMove:
    return PlannedMove(guest(name, source, Need(1, 1, disk_gib)), source, target)


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (Pace(mib_per_s=1024, besides_s=1, parallel=1), 2 + 2 + 4 + 2),
        (Pace(mib_per_s=1024, besides_s=1, parallel=2, per_source=4, per_target=4), 6),
        (Pace(mib_per_s=1024, besides_s=1, parallel=4, per_source=1, per_target=4), 8),
        (Pace(mib_per_s=1024, besides_s=1, parallel=4, per_source=4, per_target=1), 6),
    ],
)
def test_the_time_it_takes_follows_bytes_and_limits(pace: Pace, seconds: float) -> None:
    moves = [move("a", 0, 1), move("b", 0, 1), move("c", 0, 2, disk_gib=3), move("d", 3, 1)]
    assert duration(moves, pace) == pytest.approx(seconds)
    assert duration([], pace) == 0


def balanced(machines: list[Machine], guests: list[Guest], gain: float = 0.05, **more: Any) -> MovePlan:
    return plan_rebalance(fleet_of(machines), guests, gain, **more)


def test_an_even_fleet_is_left_alone() -> None:
    machines = [Machine(f"h{n}", used=times(3)) for n in range(4)]
    guests = [guest(f"{host}-{n}", host=host) for host in range(4) for n in range(3)]
    found = balanced(machines, guests, 0.0001)
    assert not found.moves
    assert found.imbalance_before == found.imbalance_after == 0


def test_a_new_host_gets_its_share() -> None:
    machines = [Machine("h0", used=times(6)), Machine("h1", used=times(6)), Machine("h2")]
    guests = [guest(f"{host}-{n}", host=host) for host in range(2) for n in range(6)]
    found = balanced(machines, guests)
    assert [int(row[0]) for row in found.after] == [4000, 4000, 4000]
    assert found.imbalance_after == pytest.approx(0)
    assert all(one.gain >= 0.05 for one in found.moves)
    assert len(found.moves) == 4


def test_a_move_that_gains_too_little_is_not_made() -> None:
    machines = [Machine("h0", used=times(4)), Machine("h1", used=times(2))]
    guests = [guest(f"a{n}") for n in range(4)] + [guest(f"b{n}", host=1) for n in range(2)]
    assert len(balanced(machines, guests, 0.19).moves) == 1
    assert not balanced(machines, guests, 0.21).moves


def test_swapping_sides_is_no_gain() -> None:
    assert not balanced([Machine("h0", used=times(3)), Machine("h1")], [guest("a", need=BIG)], 0.01).moves


def test_a_rebalance_names_whom_it_would_have_moved() -> None:
    machines = [Machine("h0", used=times(4)), Machine("h1")]
    guests = [guest(f"a{n}") for n in range(4)]
    found = balanced(machines, guests, blocked={f"a{n}": "It runs on a real host; stop it first." for n in range(4)})
    assert not found.moves
    assert {one.reason for one in found.stuck} == {"It runs on a real host; stop it first."}
    assert not balanced([Machine("h0", used=ONE), Machine("h1", used=ONE)], [guest("a")], blocked={"a": "no"}).stuck


def test_pods_are_evened_out_each_by_itself() -> None:
    machines = [Machine("h0", used=times(8)), Machine("h1", pod="p2")]
    assert not balanced(machines, [guest(f"a{n}") for n in range(8)]).moves


def test_a_rebalance_asks_for_a_gain_and_stops_at_its_limit() -> None:
    with pytest.raises(ValueError, match="churn"):
        balanced([Machine("h0")], [], 0)
    machines = [Machine("h0", used=times(8)), Machine("h1")]
    assert len(balanced(machines, [guest(f"a{n}") for n in range(8)], most=2).moves) == 2


def test_an_empty_fleet_has_an_empty_plan() -> None:
    empty: Fleet = fleet_of([])
    assert plan_evacuation(empty, [], []).moves == ()
    assert plan_rebalance(empty, [], 0.1).moves == ()
    assert np.array_equal(plan_evacuation(empty, [], []).before, np.zeros((0, 3)))
