"""The planner against an oracle that counts what is possible: never more, never less."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pods.placement.explanation import Decision
from pods.placement.planner import plan
from pods.placement.request import Need, PlacementRequest
from pods.tests.placement.fleets import Machine, fleet_of

SIZES = st.integers(min_value=0, max_value=12)
KINDS = [frozenset({"zone"}), frozenset({"vm"}), frozenset({"zone", "vm"})]


@st.composite
def fleets(draw: st.DrawFn) -> list[Machine]:
    """Up to ten hosts in three pods, one of which may be closed; some are promised more than they have."""
    closed = draw(st.sampled_from([None, "p1", "p2"]))
    return [
        Machine(
            id=f"h{number}",
            pod=(pod := draw(st.sampled_from(["p1", "p2", "p3"]))),
            open=pod != closed,
            accepting=draw(st.sampled_from([True, True, True, False])),
            kinds=draw(st.sampled_from(KINDS)),
            images=frozenset(draw(st.sets(st.sampled_from(["i1", "i2"])))),
            capacity=draw(st.tuples(SIZES, SIZES, SIZES)),
            used=draw(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))),
        )
        for number in range(draw(st.integers(0, 10)))
    ]


@st.composite
def requests(draw: st.DrawFn) -> PlacementRequest:
    """Guests of one shape; in a group, some of its members are there already."""
    return PlacementRequest(
        need=Need(*draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))),
        kind=draw(st.sampled_from(["zone", "vm"])),
        count=draw(st.integers(1, 25)),
        pod=draw(st.sampled_from([None, None, "p1", "p2", "nowhere"])),
        image=draw(st.sampled_from([None, "i1"])),
        spread=draw(st.sampled_from(["none", "host", "pod"])),
        spread_limit=draw(st.integers(1, 3)),
        members=draw(st.dictionaries(st.sampled_from([f"h{n}" for n in range(10)]), st.integers(1, 2), max_size=3)),
    )


def eligible(request: PlacementRequest, machine: Machine) -> bool:
    """Whether it may hold any such guest, room and group aside."""
    return machine.accepting and machine.open and request.kind in machine.kinds and request.pod in (None, machine.pod)


def places(request: PlacementRequest, machines: list[Machine]) -> dict[str, int]:
    """How many members the group may still have, by host or by pod."""
    there: Counter[str] = Counter()
    for machine in machines:
        there[machine.id if request.spread == "host" else machine.pod] += request.members.get(machine.id, 0)
    return {where: max(0, request.spread_limit - number) for where, number in there.items()}


def holds(need: Need, machine: Machine) -> int:
    """How many of the shape it has room for."""
    want = (need.cpu_m, need.memory_mib, need.disk_gib)
    return min(max(0, cap - used) // each for cap, used, each in zip(machine.capacity, machine.used, want, strict=True))


def possible(request: PlacementRequest, machines: list[Machine]) -> int:
    """The most guests that any way of placing them could place; exact, since all have one shape."""
    rooms = {machine: holds(request.need, machine) for machine in machines if eligible(request, machine)}
    if request.spread == "none":
        return sum(rooms.values())
    left = places(request, machines)
    together: dict[str, int] = defaultdict(int)
    for machine, room in rooms.items():
        together[machine.id if request.spread == "host" else machine.pod] += room
    return sum(min(room, left[where]) for where, room in together.items())


def would_still_fit(request: PlacementRequest, machines: list[Machine], decision: Decision) -> int:
    """Hosts that the explanation must neither call barred nor short: those that fit before any pick, or none if it gave up."""
    if len(decision.hosts) < request.count:
        return 0
    fitting = [machine for machine in machines if eligible(request, machine) and holds(request.need, machine)]
    if request.spread == "none":
        return len(fitting)
    left = places(request, machines)
    return sum(1 for machine in fitting if left[machine.id if request.spread == "host" else machine.pod])


@settings(max_examples=300, deadline=None)
@given(request=requests(), machines=fleets(), seed=st.integers(0, 5))
def test_as_many_as_possible_and_never_more(request: PlacementRequest, machines: list[Machine], seed: int) -> None:
    decision = plan(request, fleet_of(machines), rng=Random(seed))
    assert len(decision.hosts) == min(request.count, possible(request, machines))
    known = {machine.id: machine for machine in machines}
    for host, count in Counter(decision.hosts).items():
        assert eligible(request, known[host])
        assert count <= holds(request.need, known[host])
        assert request.spread != "host" or count <= places(request, machines)[host]
    if request.spread == "pod":
        for pod, count in Counter(known[host].pod for host in decision.hosts).items():
            assert count <= places(request, machines)[pod]


@settings(max_examples=300, deadline=None)
@given(request=requests(), machines=fleets())
def test_the_explanation_accounts_for_every_host(request: PlacementRequest, machines: list[Machine]) -> None:
    decision = plan(request, fleet_of(machines))
    told = decision.explanation
    assert told.evaluated == len(machines)
    assert (told.asked, told.placed) == (request.count, len(decision.hosts))
    counts = [*told.removed.values(), *told.short.values()]
    assert min(counts) >= 0
    assert sum(counts) + would_still_fit(request, machines, decision) == told.evaluated
    assert len(told.nearest) <= 3


@settings(max_examples=100, deadline=None)
@given(request=requests(), machines=fleets())
def test_planning_changes_nothing_it_was_given(request: PlacementRequest, machines: list[Machine]) -> None:
    fleet = fleet_of(machines)
    before = fleet.capacity.copy(), fleet.used.copy()
    first = plan(request, fleet, rng=Random(1))
    assert (fleet.capacity == before[0]).all()
    assert (fleet.used == before[1]).all()
    assert plan(request, fleet, rng=Random(1)) == first
