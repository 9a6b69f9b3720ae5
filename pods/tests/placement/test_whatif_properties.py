"""What-if against brute force: on small fleets every answer is carried out guest by guest and judged by rules written anew."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pods.placement.request import Guest, Need
from pods.placement.room import Offer, room_of
from pods.placement.scores import DEFAULT_WEIGHTS
from pods.placement.stage import More, Scenario
from pods.placement.whatif import LISTED, Answer, answer
from pods.tests.placement.fleets import Machine, fleet_of

ONE = Need(1, 1, 1)
PODS = ["p1", "p2", "p3"]


@dataclass(frozen=True)
class World:
    """Machines whose `used` is the sum of the guests on them."""

    machines: list[Machine]
    guests: list[Guest]


@st.composite
def worlds(draw: st.DrawFn, *, alike: bool = False) -> World:
    """Up to eight hosts in three pods, with guests on them; `alike` guests are all of one shape and in no group."""
    machines = [
        Machine(
            id=f"h{number}", pod=draw(st.sampled_from(PODS)), accepting=draw(st.sampled_from([True, True, True, False])),
            kinds=draw(st.sampled_from([frozenset({"zone"}), frozenset({"zone", "vm"})])),
            traits=frozenset(draw(st.sets(st.sampled_from(["ssd", "gpu"])))) if not alike else frozenset(),
            capacity=draw(st.tuples(*[st.integers(3, 8)] * 3)),
        )
        for number in range(draw(st.integers(1, 8)))
    ]  # fmt: skip
    guests: list[Guest] = []
    for row, machine in enumerate(machines):
        left = list(machine.capacity)
        for _ in range(draw(st.integers(0, 3))):
            size = (1, 1, 1) if alike else draw(st.tuples(*[st.integers(1, 3)] * 3))
            if any(want > have for want, have in zip(size, left, strict=True)):
                break
            left = [have - want for have, want in zip(left, size, strict=True)]
            guests.append(_guest(draw, len(guests), row, Need(*size), alike))
        cpu, memory, disk = (cap - have for cap, have in zip(machine.capacity, left, strict=True))
        machines[row] = replace(machine, used=(cpu, memory, disk))
    return World(machines, _lawful(machines, guests))


def _guest(draw: st.DrawFn, number: int, row: int, need: Need, alike: bool) -> Guest:
    group = "" if alike else draw(st.sampled_from(["", "", "g1", "g2"]))
    return Guest(
        f"g-{number}", f"guest {number}", row, need, group=group,
        required=frozenset() if alike else frozenset(draw(st.sampled_from([[], [], ["ssd"]]))),
        spread={"": "none", "g1": "host", "g2": "pod"}[group],
    )  # fmt: skip


def _lawful(machines: list[Machine], guests: list[Guest]) -> list[Guest]:
    """The second member of a group on a host or in a pod leaves the group: nothing begins broken."""
    seen: set[tuple[str, str]] = set()
    lawful = []
    for guest in guests:
        key = (guest.group, machines[guest.host].id if guest.spread == "host" else machines[guest.host].pod)
        if guest.group and key in seen:
            lawful.append(replace(guest, group="", spread="none"))
            continue
        seen.add(key)
        lawful.append(guest)
    return lawful


def scenarios() -> st.SearchStrategy[Scenario]:
    """Hosts and pods lost, hosts drained, hosts added."""
    hosts = st.frozensets(st.sampled_from([f"h{n}" for n in range(8)]), max_size=3)
    return st.builds(
        Scenario, lose_hosts=hosts, lose_pods=st.frozensets(st.sampled_from(PODS), max_size=1), drain_hosts=hosts,
        add_hosts=st.integers(0, 2), like=st.just("h0"),
    )  # fmt: skip


def asked(world: World, scenario: Scenario, *offers: Offer) -> Answer:
    """The answer with the project's weights."""
    return answer(scenario, fleet_of(world.machines), world.guests, offers, DEFAULT_WEIGHTS)


def gone(world: World, scenario: Scenario, machine: Machine) -> bool:
    return machine.id in scenario.lose_hosts or machine.pod in scenario.lose_pods


def survivors(world: World, scenario: Scenario) -> list[Machine]:
    """Hosts that may take guests once the scenario is true."""
    left = [m for m in world.machines if not gone(world, scenario, m) and m.id not in scenario.drain_hosts and m.accepting]
    like = world.machines[0]
    fresh = [
        replace(like, id=f"new-{n + 1}", used=(0, 0, 0), accepting=True)
        for n in range(scenario.add_hosts)
        if like.pod not in scenario.lose_pods
    ]
    return left + fresh


def most_that_fit(room: dict[str, int], movers: Counter[str | None]) -> int:
    """Guests of one shape: those bound to a pod first, then those that may go anywhere, is the best there is."""
    left = dict(room)
    placed = 0
    for pod, number in movers.items():
        if pod is not None:
            taken = min(number, left.get(pod, 0))
            left[pod] = left.get(pod, 0) - taken
            placed += taken
    return placed + min(movers[None], sum(left.values()))


@settings(max_examples=120, deadline=None)
@given(world=worlds(alike=True), scenario=scenarios())
def test_guests_of_one_shape_are_placed_as_far_as_room_goes(world: World, scenario: Scenario) -> None:
    """Exact where nobody may choose among pods; never more than the best way otherwise."""
    room: dict[str, int] = defaultdict(int)
    for machine in survivors(world, scenario):
        room[machine.pod] += min(cap - used for cap, used in zip(machine.capacity, machine.used, strict=True))
    movers: Counter[str | None] = Counter()
    for guest in world.guests:
        machine = world.machines[guest.host]
        if gone(world, scenario, machine) or machine.id in scenario.drain_hosts:
            movers[None if machine.pod in scenario.lose_pods else machine.pod] += 1
    found = asked(world, scenario)
    placed = found.lost.placed + found.drained.placed
    assert found.lost.guests + found.drained.guests == movers.total()
    assert placed <= most_that_fit(room, movers)
    if movers[None] in (0, movers.total()):
        assert placed == most_that_fit(room, movers)
    assert found.fits == (placed == movers.total())


@settings(max_examples=120, deadline=None)
@given(world=worlds(), scenario=scenarios())
def test_nobody_is_counted_twice_and_nothing_is_oversold(world: World, scenario: Scenario) -> None:
    found = asked(world, scenario)
    must = [g for g in world.guests if gone(world, scenario, world.machines[g.host])]
    moving = [g for g in world.guests if world.machines[g.host].id in scenario.drain_hosts and g not in must]
    assert (found.lost.guests, found.drained.guests) == (len(must), len(moving))
    for part in (found.lost, found.drained):
        assert part.placed == sum(part.pods.values())
        assert part.guests - part.placed == sum(part.reasons.values())
        assert len(part.left_over) == min(LISTED, part.guests - part.placed)
    assert set(found.lost.pods).isdisjoint(scenario.lose_pods)
    for pod in found.pods:
        assert all(used <= cap for used, cap in zip(pod.used, pod.cap, strict=True))
    before = Counter({d: sum(getattr(g.need, d) for g in world.guests) for d in ("cpu_m", "memory_mib", "disk_gib")})
    left = {one.guest for one in found.lost.left_over}
    assume(len(left) < LISTED)
    lost = Counter({d: sum(getattr(g.need, d) for g in world.guests if g.id in left) for d in before})
    after = [sum(pod.used[index] for pod in found.pods) for index in range(3)]
    assert after == [before[d] - lost[d] for d in before]


@settings(max_examples=100, deadline=None)
@given(world=worlds(), scenario=scenarios())
def test_who_is_left_over_really_fits_nowhere(world: World, scenario: Scenario) -> None:
    """A guest is left over for room only if no surviving host of where it may go has that much free, alone and untouched."""
    found = asked(world, scenario)
    by_id = {guest.id: guest for guest in world.guests}
    for one in [*found.lost.left_over, *found.drained.left_over]:
        guest = by_id[one.guest]
        origin = world.machines[guest.host]
        assert origin.id == one.host
        choice = [
            m for m in survivors(world, scenario) if origin.pod in scenario.lose_pods or m.pod == origin.pod
        ]  # fmt: skip
        suits = [m for m in choice if guest.required <= m.traits and guest.kind in m.kinds]
        if one.reason in ("state", "pod", "kind", "traits"):
            assert not suits
        elif one.reason == "spread":
            assert guest.group
            assert guest.spread == "host" or one in found.lost.left_over, "within its pod it stands in nobody's way"
        else:
            assert suits, "short of a dimension means that there are hosts to be short of it"


@settings(max_examples=100, deadline=None)
@given(world=worlds(), scenario=scenarios(), size=st.tuples(*[st.integers(1, 3)] * 3), count=st.integers(1, 20))
def test_more_of_a_plan_is_what_the_counted_room_says(
    world: World, scenario: Scenario, size: tuple[int, int, int], count: int
) -> None:
    """Asking for `count` places as many as the table of the same answer, asked without, said there is room for."""
    offer = Offer("p", Need(*size))
    before = asked(world, scenario, offer)
    found = asked(world, replace(scenario, more=More(offer, count)), offer)
    room = sum(pod.plans["p"] for pod in before.pods)
    assert found.more is not None
    assert found.more.placed == min(count, room) == sum(found.more.pods.values())
    assert sum(pod.plans["p"] for pod in found.pods) == room - found.more.placed
    assert found.more.explanation.evaluated == found.hosts_after


@settings(max_examples=100, deadline=None)
@given(world=worlds(), scenario=scenarios())
def test_asking_changes_nothing_and_equal_questions_answer_equal(world: World, scenario: Scenario) -> None:
    fleet = fleet_of(world.machines)
    before = fleet.capacity.copy(), fleet.used.copy(), fleet.accepting.copy()
    more = replace(scenario, more=More(Offer("p", ONE), 5), headroom=tuple({m.pod for m in world.machines} - scenario.lose_pods))
    first = answer(more, fleet, world.guests, [], DEFAULT_WEIGHTS)
    assert first == answer(more, fleet, world.guests, [], DEFAULT_WEIGHTS)
    for was, now in zip(before, (fleet.capacity, fleet.used, fleet.accepting), strict=True):
        assert (was == now).all()


@settings(max_examples=100, deadline=None)
@given(world=worlds(), sizes=st.lists(st.tuples(*[st.integers(1, 4)] * 3), max_size=3, unique=True))
def test_stranded_room_is_what_no_plan_can_use(world: World, sizes: list[tuple[int, int, int]]) -> None:
    offers = [Offer(f"p{number}", Need(*size)) for number, size in enumerate(sizes)]
    room = room_of(fleet_of(world.machines), offers)
    for row, machine in enumerate(world.machines):
        free = [cap - used for cap, used in zip(machine.capacity, machine.used, strict=True)]
        holds = [min(have // want for have, want in zip(free, size, strict=True)) for size in sizes]
        suits = machine.accepting and bool(sizes)
        for index in range(3):
            used = max((n * size[index] for n, size in zip(holds, sizes, strict=True)), default=0)
            left = free[index] - used
            enough = suits and left >= min(size[index] for size in sizes)
            assert room.stranded[row, index] == (left if enough else 0)
