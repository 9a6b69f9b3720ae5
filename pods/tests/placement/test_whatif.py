"""What-if, rule by rule, on fleets small enough to see the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pods.placement.request import Guest
from pods.placement.room import Offer
from pods.placement.scores import DEFAULT_WEIGHTS
from pods.placement.stage import More, Scenario, grow
from pods.placement.whatif import LISTED, Answer, answer
from pods.tests.placement.fleets import SMALL, Machine, fleet_of

PLAN = Offer("small", SMALL)


def guest(name: str, host: int, **more: object) -> Guest:
    """One of SMALL on that row."""
    return replace(Guest(id=name, name=name, host=host, need=SMALL), **more)  # type: ignore[arg-type]  # fields by name


def full(*machines: Machine, guests: list[Guest]) -> list[Machine]:
    """The machines with `used` and `spot` as their guests make them."""
    counted = list(machines)
    for one in guests:
        machine = counted[one.host]
        want = (one.need.cpu_m, one.need.memory_mib, one.need.disk_gib)
        if one.preemptible:
            spot = (machine.spot[0] + want[0], machine.spot[1] + want[1], 0)
            counted[one.host] = replace(machine, spot=spot, used=(*machine.used[:2], machine.used[2] + want[2]))
        else:
            used = tuple(a + b for a, b in zip(machine.used, want, strict=True))
            counted[one.host] = replace(machine, used=(used[0], used[1], used[2]))
    return counted


def ask(machines: list[Machine], guests: list[Guest], **scenario: object) -> Answer:
    """The answer about plan `small`."""
    wish = Scenario(**scenario)  # type: ignore[arg-type]  # fields by name
    return answer(wish, fleet_of(machines), guests, [PLAN], DEFAULT_WEIGHTS)


def holding(machine: Machine, number: int) -> Machine:
    """Room for so many of SMALL."""
    return replace(machine, capacity=(1000 * number, 1024 * number, 10 * number))


def test_guests_of_a_lost_host_stay_in_their_pod_even_if_another_has_room() -> None:
    guests = [guest("a", 0), guest("b", 0)]
    machines = full(Machine("h0"), holding(Machine("h1"), 1), Machine("h2", pod="p2"), guests=guests)
    found = ask(machines, guests, lose_hosts=frozenset({"h0"}))
    assert (found.fits, found.lost.guests, found.lost.placed) == (False, 2, 1)
    assert (found.lost.pods, found.lost.reasons) == ({"p1": 1}, {"cpu": 1})
    assert [(one.host, one.reason) for one in found.lost.left_over] == [("h0", "cpu")]
    assert (found.hosts_before, found.hosts_after, found.ends_first) == (3, 2, "cpu")


def test_guests_of_a_lost_pod_go_anywhere() -> None:
    guests = [guest("a", 0), guest("b", 1)]
    machines = full(Machine("h0"), Machine("h1"), Machine("h2", pod="p2"), Machine("h3", pod="p3"), guests=guests)
    found = ask(machines, guests, lose_pods=frozenset({"p1"}))
    assert (found.fits, found.lost.placed) == (True, 2)
    assert set(found.lost.pods) <= {"p2", "p3"}
    assert "p1" not in [pod.pod for pod in found.pods]


def test_a_drained_host_keeps_what_finds_nothing_and_takes_nobody() -> None:
    guests = [guest("a", 0), guest("b", 0)]
    machines = full(Machine("h0"), holding(Machine("h1"), 1), Machine("h2", pod="p2"), guests=guests)
    found = ask(machines, guests, drain_hosts=frozenset({"h0"}), more=More(PLAN, 20))
    assert (found.drained.guests, found.drained.placed, found.drained.pods) == (2, 1, {"p1": 1})
    [pod] = [pod for pod in found.pods if pod.pod == "p1"]
    assert (pod.hosts, pod.taking_guests, pod.used[0]) == (2, 1, 2000)
    assert found.more is not None
    assert (found.more.placed, found.more.pods, found.more.explanation.removed["state"]) == (10, {"p2": 10}, 1)


def test_added_hosts_are_empty_and_like_the_one_named() -> None:
    guests = [guest("a", 0)]
    machines = full(Machine("h0", traits=frozenset({"ssd"}), accepting=False, owner="acme"), guests=guests)
    fleet = grow(fleet_of(machines), 0, 2)
    assert (len(fleet), fleet.used.tolist()[1:], fleet.accepting.tolist()) == (3, [[0, 0, 0]] * 2, [False, True, True])
    assert fleet.having(fleet.traits, "ssd").all()
    assert set(fleet.owner.tolist()) == {0}
    assert fleet.rows["new-2"] == 2
    found = ask([holding(Machine("h0"), 1)], [], add_hosts=3, like="h0", more=More(PLAN, 9))
    assert found.more is not None
    assert (found.hosts_after, found.more.placed, found.fits) == (4, 4, False)


def test_lost_and_drained_hosts_and_more_share_what_is_left() -> None:
    """Five places on h2: three for the lost, one for the drained, one for what is wanted more."""
    guests = [guest(f"lost{n}", 0) for n in range(3)] + [guest("drained", 1)]
    machines = full(Machine("h0"), holding(Machine("h1"), 1), holding(Machine("h2"), 5), guests=guests)
    found = ask(machines, guests, lose_hosts=frozenset({"h0"}), drain_hosts=frozenset({"h1"}), more=More(PLAN, 3))
    assert found.more is not None
    assert (found.lost.placed, found.drained.placed, found.more.placed) == (3, 1, 1)
    assert not found.fits
    assert found.pods[0].plans == {"small": 0}


def test_a_group_stays_apart() -> None:
    guests = [guest("a", 0, group="g", spread="host"), guest("b", 1, group="g", spread="host")]
    machines = full(Machine("h0"), Machine("h1"), guests=guests)
    found = ask(machines, guests, lose_hosts=frozenset({"h0"}))
    assert (found.fits, found.lost.reasons) == (False, {"spread": 1})
    three = full(Machine("h0"), Machine("h1"), Machine("h2"), guests=guests)
    assert ask(three, guests, lose_hosts=frozenset({"h0"})).fits
    assert not ask(three, guests, lose_hosts=frozenset({"h0"}), drain_hosts=frozenset({"h1"})).fits


def test_the_only_member_of_a_group_in_its_pod_does_not_stand_in_its_own_way() -> None:
    guests = [guest("a", 0, group="g", spread="pod"), guest("b", 1, group="g", spread="pod")]
    machines = full(Machine("h0", pod="p1"), Machine("h1", pod="p2"), Machine("h2", pod="p2"), guests=guests)
    found = ask(machines, guests, lose_pods=frozenset({"p1"}), drain_hosts=frozenset({"h1"}))
    assert (found.lost.reasons, found.drained.placed, found.drained.pods) == ({"spread": 1}, 1, {"p2": 1})


def test_traits_kinds_and_owners_are_reasons_of_their_own() -> None:
    gpu = [guest("a", 0, required=frozenset({"gpu"}))]
    machines = full(Machine("h0", traits=frozenset({"gpu"})), Machine("h1"), guests=gpu)
    assert ask(machines, gpu, lose_hosts=frozenset({"h0"})).lost.reasons == {"traits": 1}
    vm = [guest("a", 0, kind="vm")]
    machines = full(Machine("h0", kinds=frozenset({"vm"})), Machine("h1"), guests=vm)
    assert ask(machines, vm, lose_hosts=frozenset({"h0"})).lost.reasons == {"kind": 1}
    other = [guest("a", 0)]
    machines = full(Machine("h0"), Machine("h1", owner="acme"), guests=other)
    assert ask(machines, other, lose_hosts=frozenset({"h0"})).lost.reasons == {"exclusive": 1}
    assert ask([Machine("h0", used=(1000, 1024, 10))], other, lose_hosts=frozenset({"h0"})).lost.reasons == {"state": 1}


def test_nobody_owes_preemptible_guests_a_place() -> None:
    guests = [guest("firm", 0), guest("idle", 0, preemptible=True)]
    machines = full(Machine("h0", lends=True), holding(Machine("h1", lends=True), 1), guests=guests)
    found = ask(machines, guests, lose_hosts=frozenset({"h0"}))
    assert found.fits
    assert (found.lost.guests, found.lost.placed) == (1, 1)
    assert (found.preemptible.guests, found.preemptible.placed, found.preemptible.reasons) == (1, 0, {"cpu": 1})


def test_firm_guests_displace_preemptible_ones_only_when_nothing_else_is_left() -> None:
    guests = [guest("firm", 0), guest("firm too", 0), guest("idle", 1, preemptible=True)]
    machines = full(
        Machine("h0"), replace(holding(Machine("h1", lends=True), 2), capacity=(2000, 2048, 30)), Machine("h2"), guests=guests
    )
    assert ask(machines, guests, lose_hosts=frozenset({"h0"})).displaced_hosts == 0
    found = ask(machines[:2], guests, lose_hosts=frozenset({"h0"}))
    assert (found.fits, found.lost.placed, found.displaced_hosts) == (True, 2, 1)


def test_headroom_names_the_hosts_whose_loss_is_too_much() -> None:
    guests = [guest(f"g{n}", 0) for n in range(3)] + [guest("g3", 1)]
    machines = full(holding(Machine("h0"), 3), holding(Machine("h1"), 2), holding(Machine("h2"), 1), guests=guests)
    [found] = ask(machines, guests, headroom=("p1",)).headroom
    assert (found.pod, found.hosts, found.absorbed) == ("p1", 3, 2)
    assert found.not_absorbed == {"name-of-h0": 1}
    assert len(found.guests["name-of-h0"]) == 1
    [then] = ask(machines, guests, headroom=("p1",), add_hosts=1, like="h2").headroom
    assert (then.hosts, then.absorbed) == (4, 4), "one host more, and every loss is absorbed"
    [then] = ask(machines, guests, headroom=("p1",), more=More(PLAN, 1)).headroom
    assert then.absorbed < 3
    assert all(name.startswith("g") for names in then.guests.values() for name in names), "who is only supposed is not named"


def test_more_is_refused_for_the_sake_of_n_plus_one_as_a_claim_would_be() -> None:
    guests = [guest("a", 0)]
    two = [holding(Machine("h0", n_plus_one=True), 2), holding(Machine("h1", n_plus_one=True), 2)]
    found = ask(full(*two, guests=guests), guests, more=More(PLAN, 3))
    assert found.more is not None
    assert (found.more.placed, found.more.explanation.removed["n_plus_one"]) == (1, 2)
    assert ask(full(*two, guests=guests), guests, lose_hosts=frozenset({"h0"})).fits, "the reserve is there to be used"


def test_stranded_room_and_what_is_gone() -> None:
    machines = [Machine("h0", used=(10_000, 0, 0)), Machine("h1", used=(0, 0, 0))]
    found = ask(machines, [])
    [worst] = found.stranded
    assert (worst.host, worst.stranded, worst.gone) == ("name-of-h0", (0, 10_240, 100), "cpu")
    assert (found.pods[0].stranded_hosts, found.pods[0].plans, found.pods[0].stranded[1]) == (1, {"small": 10}, 10_240)


@pytest.mark.parametrize(("used", "word"), [((9000, 0, 0), "cpu"), ((0, 9 * 1024, 0), "memory"), ((0, 0, 90), "disk")])
def test_which_dimension_ends_first(used: tuple[int, int, int], word: str) -> None:
    found = ask([Machine("h0", used=used)], [], more=More(PLAN, 2))
    assert found.more is not None
    assert (found.more.placed, found.more.ends_first, found.ends_first, found.pods[0].ends_first) == (1, word, word, word)


def test_lists_of_names_are_bounded_and_counts_are_not() -> None:
    guests = [guest(f"g{n:02}", 0) for n in range(LISTED + 15)]
    machines = [
        replace(Machine("h0"), capacity=(10**6, 10**6, 10**4), used=(35_000, 35 * 1024, 350)),
        Machine("h1", accepting=False),
    ]
    found = ask(machines, guests, lose_hosts=frozenset({"h0"}))
    assert (found.lost.guests, found.lost.reasons, len(found.lost.left_over)) == (LISTED + 15, {"state": LISTED + 15}, LISTED)


def test_an_empty_fleet_has_an_answer() -> None:
    found = answer(Scenario(more=More(PLAN, 2)), fleet_of([]), [], [PLAN], DEFAULT_WEIGHTS)
    assert found.more is not None
    assert (found.fits, found.more.placed, found.ends_first, found.pods) == (False, 0, "", [])
    assert ask([Machine("h0")], [], lose_pods=frozenset({"p1"})).hosts_after == 0
