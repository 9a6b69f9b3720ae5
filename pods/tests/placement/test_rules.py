"""The masks that came with fleets: location, traits, image, nearness, exclusive hosts, preemptible guests, soft forms."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from pods.placement.explanation import ADVICE, MASKS, Decision
from pods.placement.planner import plan
from pods.placement.request import PlacementRequest
from pods.tests.placement.fleets import SMALL, Machine, fleet_of

ONE = PlacementRequest(need=SMALL, kind="zone", account="acme")
SPOT = replace(ONE, preemptible=True)


def decide(request: PlacementRequest, *machines: Machine, seed: int = 0) -> Decision:
    return plan(request, fleet_of(machines), rng=Random(seed))


@pytest.mark.parametrize(
    ("mask", "barred", "request_"),
    [
        ("location", Machine("b", pod="p2", location="lyon"), replace(ONE, location="oslo")),
        ("traits", Machine("b"), replace(ONE, required=frozenset({"ssd"}))),
        ("traits", Machine("b", traits=frozenset({"ssd", "old"})), replace(ONE, forbidden=frozenset({"old"}))),
        ("image", Machine("b"), replace(ONE, image_traits=frozenset({"ssd"}))),
        ("near", Machine("b"), replace(ONE, near=frozenset({"a"}), near_soft=False)),
        ("exclusive", Machine("b", owner="lucas"), ONE),
        ("excluded", Machine("b"), replace(ONE, excluded=frozenset({"b"}))),
        ("preemptible", Machine("b"), SPOT),
        ("spread", Machine("b"), replace(ONE, spread="host", members={"b": 1})),
    ],
)
def test_each_rule_bars_a_host_with_more_room_and_is_counted(mask: str, barred: Machine, request_: PlacementRequest) -> None:
    good = Machine("a", location="oslo", traits=frozenset({"ssd"}), lends=True, used=(9_000, 9_216, 90))
    decision = decide(request_, good, barred)
    assert decision.hosts == ("a",)
    assert {name: n for name, n in decision.explanation.removed.items() if n} == {mask: 1}
    alone = decide(request_, barred)
    assert alone.hosts == ()
    assert alone.explanation.suitable == 0


def test_the_masks_are_told_in_their_order() -> None:
    told = [*decide(replace(ONE, excluded=frozenset({"x"})), Machine("a")).explanation.removed]
    assert told == [name for name in MASKS if name not in ("cpu", "memory", "disk")]


def test_every_mask_but_the_operators_own_has_advice_for_customers() -> None:
    assert set(MASKS) - {"excluded"} == set(ADVICE)


def test_an_account_uses_its_own_hosts_and_shared_ones() -> None:
    mine, shared = Machine("mine", owner="acme"), Machine("shared", used=(5_000, 5_120, 50))
    assert decide(ONE, mine, shared).hosts == ("mine",)
    assert Counter(decide(replace(ONE, count=15), mine, shared).hosts) == {"mine": 10, "shared": 5}


def test_at_most_k_members_a_host() -> None:
    request = replace(ONE, count=10, spread="host", spread_limit=2, members={"a": 1})
    assert Counter(decide(request, Machine("a"), Machine("b")).hosts) == {"a": 1, "b": 2}


def test_at_most_k_members_a_pod() -> None:
    machines = [Machine("a", pod="p1"), Machine("b", pod="p1"), Machine("c", pod="p2")]
    decision = decide(replace(ONE, count=9, spread="pod", spread_limit=3, members={"a": 1, "b": 1}), *machines)
    pods = {"a": "p1", "b": "p1", "c": "p2"}
    assert Counter(pods[host] for host in decision.hosts) == {"p1": 1, "p2": 3}


def test_a_preferred_spread_is_kept_while_it_can_be() -> None:
    hosts = [Machine(name) for name in "abc"]
    request = replace(ONE, spread="host", spread_soft=True)
    assert Counter(decide(replace(request, count=3), *hosts).hosts) == {"a": 1, "b": 1, "c": 1}
    assert len(decide(replace(request, count=12), *hosts).hosts) == 12
    assert decide(replace(request, members={"a": 1, "b": 1}), *hosts).hosts == ("c",)


def test_a_preferred_spread_over_pods_is_kept_while_it_can_be() -> None:
    hosts = [Machine("a", pod="p1"), Machine("b", pod="p1"), Machine("c", pod="p2", used=(5_000, 5_120, 50))]
    request = replace(ONE, spread="pod", spread_soft=True, members={"a": 1})
    assert decide(request, *hosts).hosts == ("c",)


def test_near_the_group_if_possible() -> None:
    request = replace(ONE, near=frozenset({"a"}))
    assert decide(request, Machine("a", used=(5_000, 5_120, 50)), Machine("b")).hosts == ("a",)
    assert decide(request, Machine("a", used=(10_000, 0, 0)), Machine("b")).hosts == ("b",)


def test_near_the_group_or_not_at_all() -> None:
    request = replace(ONE, near=frozenset({"a"}), near_soft=False)
    full = decide(request, Machine("a", used=(10_000, 0, 0)), Machine("b"))
    assert full.hosts == ()
    assert (full.explanation.short["cpu"], full.explanation.removed["near"]) == (1, 1)
    assert full.explanation.nearest == ("name-of-a lacks 1000 thousandths of a processor",)


def test_the_owners_other_guests_are_kept_apart_a_little() -> None:
    assert decide(replace(ONE, neighbours={"a": 3}), Machine("a"), Machine("b")).hosts == ("b",)
    heavier = Machine("b", used=(5_000, 5_120, 50))
    assert decide(replace(ONE, neighbours={"a": 3}), Machine("a"), heavier).hosts == ("a",)


def test_a_host_on_which_guests_failed_is_avoided_and_still_used_when_nothing_else_is_left() -> None:
    ill = Machine("ill", mishaps=1.0)
    assert decide(ONE, ill, Machine("well", used=(4_000, 4_096, 40))).hosts == ("well",)
    assert decide(ONE, ill).hosts == ("ill",)


def test_an_emptier_pod_is_preferred() -> None:
    full = [Machine(f"f{n}", pod="full", used=(8_000, 8_192, 80)) for n in range(5)]
    twins = [Machine("x", pod="full"), Machine("y", pod="empty")]
    assert decide(ONE, *full, *twins).hosts == ("y",)


def test_weights_can_pack_instead_of_balance() -> None:
    machines = [Machine("empty"), Machine("busy", used=(5_000, 5_120, 50))]
    assert plan(ONE, fleet_of(machines), weights={"pack": 1.0}).hosts == ("busy",)
    assert plan(ONE, fleet_of(machines), weights={"balance": 1.0}).hosts == ("empty",)
    assert plan(ONE, fleet_of(machines), weights={}).hosts[0] in {"empty", "busy"}


def test_the_explanation_names_the_weights_that_counted() -> None:
    explanation = decide(ONE, Machine("a")).explanation
    assert explanation.weights["balance"] == 1.0
    assert "pack" not in explanation.weights  # its weight is zero


# --- preemptible guests ----------------------------------------------------------------------------------------------


def test_a_preemptible_guest_uses_what_firm_and_other_preemptible_guests_leave() -> None:
    lends = Machine("a", lends=True, used=(4_000, 0, 0), spot=(4_000, 0, 0))
    assert len(decide(replace(SPOT, count=5), lends).hosts) == 2


def test_a_firm_guest_displaces_preemptible_ones_only_when_nothing_else_is_left() -> None:
    idle, lent = Machine("idle", used=(9_000, 0, 0)), Machine("lent", spot=(10_000, 10_240, 0))
    one = decide(ONE, idle, lent)
    assert (one.hosts, one.displaced, one.explanation.displaces) == (("idle",), frozenset(), 0)
    two = decide(replace(ONE, count=2), idle, lent)
    assert (two.hosts, two.displaced, two.explanation.displaces) == (("idle", "lent"), frozenset({"lent"}), 1)


def test_room_beside_preemptible_guests_displaces_nobody() -> None:
    decision = decide(replace(ONE, count=5), Machine("a", spot=(5_000, 5_120, 0)))
    assert len(decision.hosts) == 5
    assert decision.displaced == frozenset()


def test_a_firm_guest_never_takes_what_firm_guests_have() -> None:
    decision = decide(replace(ONE, count=20), Machine("a", used=(4_000, 4_096, 40), spot=(6_000, 6_144, 0)))
    assert len(decision.hosts) == 6


def test_preemptible_guests_displace_nobody() -> None:
    assert decide(SPOT, Machine("a", lends=True, spot=(10_000, 0, 0))).hosts == ()
