"""Plans of moves against brute force: whatever the order, no rule is broken, nothing is oversold, nobody is lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pods.placement.moves import MovePlan, plan_evacuation, plan_rebalance
from pods.placement.request import Guest, Need
from pods.placement.reserve import Reserve
from pods.placement.shares import imbalance
from pods.tests.placement.fleets import Machine, fleet_of

TRAITS = ["ssd", "gpu"]
ROOM = st.integers(0, 8)


@dataclass(frozen=True)
class Town:
    """Hosts with their guests; what hosts have promised is what their guests take, and some for others."""

    machines: list[Machine]
    guests: list[Guest]


@st.composite
def towns(draw: st.DrawFn, n_plus_one: bool = False) -> Town:
    hosts = draw(st.integers(2, 7))
    guests = [_guest(draw, number, hosts) for number in range(draw(st.integers(0, 12)))]
    pods = [draw(st.sampled_from(["p1", "p1", "p2"])) for _ in range(hosts)]
    guests = _within_their_limits(guests, pods)
    machines = []
    for row in range(hosts):
        here = [guest.need.vector() for guest in guests if guest.host == row]
        used = [int(sum(part[i] for part in here)) + draw(st.integers(0, 2)) for i in range(3)]
        machines.append(
            Machine(
                id=f"h{row}", pod=pods[row], accepting=draw(st.sampled_from([True, True, True, False])),
                kinds=draw(st.sampled_from([frozenset({"zone"}), frozenset({"zone", "vm"})])),
                traits=frozenset(draw(st.sets(st.sampled_from(TRAITS)))),
                owner=draw(st.sampled_from(["", "", "", "mine"])), n_plus_one=n_plus_one,
                used=(used[0], used[1], used[2]),
                capacity=(used[0] + draw(ROOM), used[1] + draw(ROOM), used[2] + draw(ROOM)),
            )
        )  # fmt: skip
    return Town(machines, guests)


def _guest(draw: st.DrawFn, number: int, hosts: int) -> Guest:
    grouped = draw(st.booleans())
    return Guest(
        id=f"g{number}", name=f"g{number}", host=draw(st.integers(0, hosts - 1)),
        need=Need(*draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))),
        kind=draw(st.sampled_from(["zone", "zone", "vm"])), account=draw(st.sampled_from(["mine", "theirs"])),
        required=frozenset(draw(st.sets(st.sampled_from(TRAITS), max_size=1))),
        forbidden=frozenset(draw(st.sets(st.sampled_from(TRAITS), max_size=1))) if draw(st.booleans()) else frozenset(),
        group=draw(st.sampled_from(["a", "b"])) if grouped else "", spread="host" if grouped else "none", spread_limit=1,
    )  # fmt: skip


def _within_their_limits(guests: list[Guest], pods: list[str]) -> list[Guest]:
    """Group b is spread over pods; those that begin with a broken spread are left out."""
    kept: list[Guest] = []
    seen: Counter[tuple[str, object]] = Counter()
    for one in guests:
        guest = replace(one, spread="pod", spread_limit=2) if one.group == "b" else one
        where = (guest.group, guest.host if guest.spread == "host" else pods[guest.host])
        if guest.group and seen[where] >= guest.spread_limit:
            continue
        seen[where] += 1
        kept.append(guest)
    return kept


def suits(guest: Guest, machine: Machine) -> bool:
    return (
        machine.accepting
        and guest.kind in machine.kinds
        and guest.required <= machine.traits
        and not guest.forbidden & machine.traits
        and machine.owner in ("", guest.account)
    )


def check(town: Town, plan: MovePlan) -> None:
    """Carry the plan out by hand, every source held until the very end: the hardest order there is."""
    used = [list(machine.used) for machine in town.machines]
    where = {guest.id: guest.host for guest in town.guests}
    for move in plan.moves:
        source, target = town.machines[move.source], town.machines[move.target]
        assert where[move.guest.id] == move.source != move.target
        assert source.pod == target.pod
        assert suits(move.guest, target)
        for index, amount in enumerate(move.guest.need.vector()):
            used[move.target][index] += int(amount)
            assert used[move.target][index] <= target.capacity[index], "oversold while both ends are held"
        where[move.guest.id] = move.target
        _apart(town, where)
    assert len({move.guest.id for move in plan.moves}) == len(plan.moves)
    for move in plan.moves:
        for index, amount in enumerate(move.guest.need.vector()):
            used[move.source][index] -= int(amount)
    assert used == plan.after.tolist()


def _apart(town: Town, where: dict[str, int]) -> None:
    together: Counter[tuple[str, object]] = Counter()
    for guest in town.guests:
        if guest.group:
            host = where[guest.id]
            together[guest.group, host if guest.spread == "host" else town.machines[host].pod] += 1
            assert together[guest.group, host if guest.spread == "host" else town.machines[host].pod] <= guest.spread_limit


@settings(max_examples=100, deadline=None)
@given(town=towns(), data=st.data())
def test_an_evacuation_breaks_nothing_and_loses_nobody(town: Town, data: st.DataObject) -> None:
    rows = data.draw(st.sets(st.integers(0, len(town.machines) - 1), min_size=1, max_size=2))
    plan = plan_evacuation(fleet_of(town.machines), town.guests, rows)
    check(town, plan)
    moved, stuck = [move.guest.id for move in plan.moves], [one.guest.id for one in plan.stuck]
    assert sorted(moved + stuck) == sorted(guest.id for guest in town.guests if guest.host in rows)
    assert not any(move.target in rows for move in plan.moves)
    for one in plan.stuck:
        assert one.reason
        assert not _place_for(town, plan, one.guest, rows), f"{one.guest} would have fitted: {one.reason}"


def _place_for(town: Town, plan: MovePlan, guest: Guest, rows: set[int]) -> list[str]:
    """Hosts that would take the guest at the end of the plan with every source still held: none may be left."""
    where = {one.id: one.host for one in town.guests} | {move.guest.id: move.target for move in plan.moves}
    found = []
    for row, machine in enumerate(town.machines):
        arrived = [move.guest.need.vector() for move in plan.moves if move.target == row]
        used = [machine.used[i] + int(sum(part[i] for part in arrived)) for i in range(3)]
        fits = all(used[i] + int(amount) <= machine.capacity[i] for i, amount in enumerate(guest.need.vector()))
        mates = [one for one in town.guests if guest.group and one.group == guest.group and one.id != guest.id]
        if guest.spread == "host":
            mates = [one for one in mates if where[one.id] == row or (one.host == row and row not in rows)]
        else:
            mates = [one for one in mates if town.machines[where[one.id]].pod == machine.pod]
        free_place = not guest.group or len(mates) < guest.spread_limit
        same_pod = machine.pod == town.machines[guest.host].pod
        if row not in rows and same_pod and suits(guest, machine) and fits and free_place:
            found.append(machine.id)
    return found


@settings(max_examples=100, deadline=None)
@given(town=towns(), minimum=st.sampled_from([0.01, 0.05, 0.2]))
def test_a_rebalance_breaks_nothing_and_every_move_pays(town: Town, minimum: float) -> None:
    fleet = fleet_of(town.machines)
    plan = plan_rebalance(fleet, town.guests, minimum)
    check(town, plan)
    assert not plan.stuck
    load = fleet.used.copy()
    for move in plan.moves:
        before = imbalance(fleet, load)
        load[move.source] -= move.guest.need.vector()
        load[move.target] += move.guest.need.vector()
        assert imbalance(fleet, load) < before
        assert move.gain >= minimum


@settings(max_examples=60, deadline=None)
@given(town=towns(n_plus_one=True), data=st.data())
def test_n_plus_one_holds_after_every_move(town: Town, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(town.machines) - 1))
    fleet = fleet_of(town.machines, town.guests)
    plan = plan_evacuation(fleet, town.guests, [row])
    check(town, plan)
    if not plan.moves:
        return
    machines = [replace(m, accepting=m.accepting and n != row) for n, m in enumerate(town.machines)]
    reserve = Reserve(fleet_of(machines), int(fleet.pod[row]), town.guests)
    for move in plan.moves:
        reserve.leave(move.source, move.guest.id)
        reserve.add(move.target, move.guest)
    lost = reserve.headroom().stranded
    assert set(lost) <= {row}, "another host than the one being emptied could not be lost any more"


@settings(max_examples=40, deadline=None)
@given(town=towns())
def test_planning_twice_says_the_same_and_changes_nothing(town: Town) -> None:
    fleet = fleet_of(town.machines)
    used = fleet.used.copy()
    first, second = plan_evacuation(fleet, town.guests, [0]), plan_evacuation(fleet, town.guests, [0])
    assert first == second
    assert (fleet.used == used).all()
    assert plan_rebalance(fleet, town.guests, 0.05) == plan_rebalance(fleet, town.guests, 0.05)
