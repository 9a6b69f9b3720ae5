"""The planner by example: each mask, each dimension, spread, scores, and the explanation of a "no"."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from pods.placement.explanation import Decision
from pods.placement.planner import plan
from pods.placement.request import Need, PlacementRequest
from pods.tests.placement.fleets import SMALL, Machine, fleet_of

ONE = PlacementRequest(need=SMALL, kind="zone")


def decide(request: PlacementRequest, *machines: Machine, seed: int = 0) -> Decision:
    return plan(request, fleet_of(machines), rng=Random(seed))


def test_one_guest_goes_to_the_only_host() -> None:
    decision = decide(ONE, Machine("a"))
    assert decision.hosts == ("a",)
    assert (decision.explanation.asked, decision.explanation.placed, decision.explanation.evaluated) == (1, 1, 1)
    assert decision.explanation.nearest == ()


def test_no_hosts_at_all() -> None:
    decision = decide(ONE)
    assert decision.hosts == ()
    assert decision.explanation.evaluated == 0
    assert sum(decision.explanation.removed.values()) == sum(decision.explanation.short.values()) == 0
    assert not decision.explanation.nearest
    assert not decision.explanation.top


@pytest.mark.parametrize(
    ("mask", "barred", "request_"),
    [
        ("state", Machine("b", accepting=False), ONE),
        ("pod", Machine("b", pod="p2", open=False), ONE),
        ("pod", Machine("b", pod="p2"), replace(ONE, pod="p1")),
        ("kind", Machine("b", kinds=frozenset({"vm"})), ONE),
        ("kind", Machine("b", kinds=frozenset()), ONE),
    ],
)
def test_each_mask_removes_and_is_counted(mask: str, barred: Machine, request_: PlacementRequest) -> None:
    """The barred host is empty and the other nearly full, so only the mask keeps guests off it."""
    nearly_full = Machine("a", used=(9_000, 9_216, 90))
    decision = decide(request_, nearly_full, barred)
    assert decision.hosts == ("a",)
    assert decision.explanation.removed[mask] == 1
    assert sum(decision.explanation.removed.values()) == 1
    assert decide(request_, barred).hosts == ()


def test_a_host_is_counted_once_by_the_first_mask_that_bars_it() -> None:
    barred = Machine("a", accepting=False, open=False, kinds=frozenset(), capacity=(0, 0, 0))
    explanation = decide(ONE, barred).explanation
    assert {mask: n for mask, n in explanation.removed.items() if n} == {"state": 1}
    assert explanation.short == {"cpu": 0, "memory": 0, "disk": 0}


@pytest.mark.parametrize(
    ("dimension", "used", "lacks"),
    [
        ("cpu", (9_001, 0, 0), "1 thousandths of a processor"),
        ("memory", (0, 9_217, 0), "1 MiB of memory"),
        ("disk", (0, 0, 91), "1 GiB of disk"),
    ],
)
def test_each_dimension_is_a_limit_of_its_own(dimension: str, used: tuple[int, int, int], lacks: str) -> None:
    decision = decide(ONE, Machine("a", used=used))
    assert decision.hosts == ()
    assert decision.explanation.short == {"cpu": 0, "memory": 0, "disk": 0, dimension: 1}
    assert decision.explanation.nearest == (f"name-of-a lacks {lacks}",)
    just_fits = (used[0] - 1, used[1] - 1, used[2] - 1)
    assert decide(ONE, Machine("a", used=tuple(max(0, n) for n in just_fits))).hosts == ("a",)  # type: ignore[arg-type]  # of three


def test_the_first_short_dimension_counts_and_the_nearest_miss_names_all() -> None:
    explanation = decide(ONE, Machine("a", capacity=(500, 1_000, 4))).explanation
    assert explanation.short == {"cpu": 1, "memory": 0, "disk": 0}
    (nearest,) = explanation.nearest
    assert nearest == "name-of-a lacks 500 thousandths of a processor and 24 MiB of memory and 6 GiB of disk"


def test_nearest_misses_are_the_three_that_lack_least() -> None:
    """Hosts barred by a mask are not near, however much room they have."""
    short = [Machine(f"lacks{n}", capacity=(10_000, 1_024 - n, 100)) for n in (300, 10, 200, 100)]
    explanation = decide(ONE, *short, Machine("barred", accepting=False)).explanation
    assert explanation.nearest == tuple(f"name-of-lacks{n} lacks {n} MiB of memory" for n in (10, 100, 200))


def test_a_host_promised_more_than_it_has_is_full_not_negative() -> None:
    decision = decide(ONE, Machine("a", capacity=(1_000, 1_024, 10), used=(5_000, 5_120, 50)))
    assert decision.hosts == ()
    assert decision.explanation.nearest[0].startswith("name-of-a lacks 1000 thousandths")


def test_room_is_consumed_from_one_pick_to_the_next() -> None:
    decision = decide(replace(ONE, count=25), Machine("a"), Machine("b"))
    assert Counter(decision.hosts) == {"a": 10, "b": 10}
    assert (decision.explanation.asked, decision.explanation.placed) == (25, 20)
    assert decision.explanation.short == {"cpu": 2, "memory": 0, "disk": 0}


def test_a_pod_by_name() -> None:
    pods = [Machine("a", pod="p1"), Machine("b", pod="p2")]
    assert decide(replace(ONE, pod="p2"), *pods).hosts == ("b",)
    nowhere = decide(replace(ONE, pod="p3"), *pods)
    assert nowhere.hosts == ()
    assert nowhere.explanation.removed["pod"] == 2


def test_guests_that_spread_over_hosts_never_share_one() -> None:
    hosts = [Machine(name) for name in "abc"]
    decision = decide(replace(ONE, count=4, spread="host"), *hosts)
    assert sorted(decision.hosts) == ["a", "b", "c"]
    assert decision.explanation.removed["spread"] == 3
    assert decision.explanation.nearest == ()  # there is room; it is the spread that bars it


def test_guests_that_spread_over_pods_never_share_one() -> None:
    hosts = [Machine("a", pod="p1"), Machine("b", pod="p1"), Machine("c", pod="p2")]
    decision = decide(replace(ONE, count=3, spread="pod"), *hosts)
    assert len(decision.hosts) == 2
    assert "c" in decision.hosts
    assert decision.explanation.removed["spread"] == 3


def test_members_of_the_group_are_kept_away_from() -> None:
    hosts = [Machine("a", pod="p1"), Machine("b", pod="p1"), Machine("c", pod="p2")]
    apart = replace(ONE, spread="host", members={"a": 1, "c": 1})
    assert decide(apart, *hosts).hosts == ("b",)
    assert decide(replace(ONE, spread="pod", members={"a": 1}), *hosts).hosts == ("c",)
    assert decide(replace(apart, spread="none"), hosts[0]).hosts == ("a",)


def test_hosts_of_the_group_are_counted_also_when_there_is_room() -> None:
    decision = decide(replace(ONE, spread="host", members={"a": 1}), Machine("a"), Machine("b"))
    assert decision.hosts == ("b",)
    assert decision.explanation.removed["spread"] == 1


def test_the_emptier_host_is_preferred() -> None:
    for seed in range(10):
        assert decide(ONE, Machine("a", used=(3_000, 3_072, 30)), Machine("b"), seed=seed).hosts == ("b",)


def test_the_host_with_a_dimension_nearly_gone_is_spared() -> None:
    """Both have the same mean; `tightest` tells them apart."""
    even, lopsided = Machine("even", used=(3_000, 3_072, 30)), Machine("lopsided", used=(9_000, 0, 0))
    assert decide(ONE, even, lopsided).hosts == ("even",)


def test_an_image_on_the_host_outweighs_a_small_difference_in_load() -> None:
    loaded = Machine("a", images=frozenset({"i1"}), used=(1_000, 1_024, 10))
    assert decide(replace(ONE, image="i1"), loaded, Machine("b")).hosts == ("a",)
    assert decide(replace(ONE, image="i2"), loaded, Machine("b")).hosts == ("b",)
    heavy = replace(loaded, used=(8_000, 8_192, 80))
    assert decide(replace(ONE, image="i1"), heavy, Machine("b")).hosts == ("b",)


def test_weights_are_the_callers() -> None:
    hosts = [Machine("a", images=frozenset({"i1"}), used=(8_000, 8_192, 80)), Machine("b")]
    request = replace(ONE, image="i1")
    assert plan(request, fleet_of(hosts), weights={"image_present": 1.0}).hosts == ("a",)
    assert plan(request, fleet_of(hosts), weights={"balance": 1.0}).hosts == ("b",)


def test_ties_are_shuffled_and_a_seed_repeats_them() -> None:
    twins = [Machine(name) for name in "abcd"]
    first = [decide(ONE, *twins, seed=seed).hosts for seed in range(40)]
    assert {host for (host,) in first} == set("abcd")
    assert first == [decide(ONE, *twins, seed=seed).hosts for seed in range(40)]
    assert len({plan(ONE, fleet_of(twins)).hosts for _ in range(60)}) > 1  # also without a seed


def test_the_best_hosts_are_explained_with_their_terms() -> None:
    hosts = [Machine(f"h{n}", used=(n * 1_000, n * 1_024, n * 10)) for n in range(7)]
    top = decide(replace(ONE, image="i1"), *hosts).explanation.top
    assert [entry["host"] for entry in top] == [f"name-of-h{n}" for n in range(5)]
    assert top[1]["host"] == "name-of-h1"
    terms = {"balance": 0.9, "tightest": 0.9, "pod_spread": 0.7, "owner_spread": 1.0, "image_present": 0.0, "calm": 1.0}
    assert top[1]["terms"] == terms
    assert top[1]["score"] == round(0.9 + 0.45 + 0.25 * 0.7 + 0.25 + 1.0, 4)


def test_customers_learn_reasons_and_counts_but_no_names() -> None:
    explanation = decide(ONE, Machine("a", capacity=(0, 0, 0))).explanation
    assert "name-of-a" in str(explanation.for_operator())
    assert "name-of-a" not in str(explanation.for_customer())
    assert explanation.for_customer()["short"] == {"cpu": 1, "memory": 0, "disk": 0}


def test_a_need_of_nothing_fits_a_full_host() -> None:
    assert decide(replace(ONE, need=Need(0, 0, 0)), Machine("a", capacity=(0, 0, 0))).hosts == ("a",)
