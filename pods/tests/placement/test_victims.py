"""Who leaves: enough, nobody in vain, one where one will do, the youngest among equals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from pods.placement.victims import Lodger, choose_victims

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def lodger(number: int, cpu_m: int, memory_mib: int, age: int = 0) -> Lodger:
    return Lodger(f"g{number}", cpu_m, memory_mib, BEGAN - timedelta(minutes=age))


LODGERS = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(0, 9)), max_size=8).map(
    lambda sizes: [lodger(number, *size) for number, size in enumerate(sizes)]
)
LACK = st.integers(-2, 24)


def frees(chosen: list[Lodger] | tuple[Lodger, ...], cpu_m: int, memory_mib: int) -> bool:
    return sum(one.cpu_m for one in chosen) >= cpu_m and sum(one.memory_mib for one in chosen) >= memory_mib


@given(LODGERS, LACK, LACK)
def test_enough_and_nobody_in_vain(lodgers: list[Lodger], cpu_m: int, memory_mib: int) -> None:
    chosen = choose_victims(lodgers, cpu_m=cpu_m, memory_mib=memory_mib)
    assert len({one.id for one in chosen}) == len(chosen)
    assert frees(chosen, cpu_m, memory_mib) == frees(lodgers, cpu_m, memory_mib)
    if cpu_m <= 0 and memory_mib <= 0:
        assert chosen == []
    elif frees(lodgers, cpu_m, memory_mib):
        assert not any(frees([other for other in chosen if other is not one], cpu_m, memory_mib) for one in chosen)
    else:
        assert set(chosen) == set(lodgers), "all help, and all are needed"


@given(LODGERS, LACK, LACK)
def test_one_where_one_will_do_and_the_youngest(lodgers: list[Lodger], cpu_m: int, memory_mib: int) -> None:
    alone = [one for one in lodgers if frees([one], cpu_m, memory_mib)]
    chosen = choose_victims(lodgers, cpu_m=cpu_m, memory_mib=memory_mib)
    if alone and (cpu_m > 0 or memory_mib > 0):
        assert len(chosen) == 1
        assert chosen[0].since == max(one.since for one in alone)


@given(LODGERS, LACK)
def test_as_few_as_possible_where_one_dimension_lacks(lodgers: list[Lodger], memory_mib: int) -> None:
    chosen = choose_victims(lodgers, cpu_m=0, memory_mib=memory_mib)
    if not frees(lodgers, 0, memory_mib):
        return
    fewer = combinations(lodgers, max(len(chosen) - 1, 0))
    assert memory_mib <= 0 or not any(frees(group, 0, memory_mib) for group in fewer)


@given(LODGERS, LACK, LACK)
def test_the_order_in_which_they_are_named_does_not_matter(lodgers: list[Lodger], cpu_m: int, memory_mib: int) -> None:
    asked = {"cpu_m": cpu_m, "memory_mib": memory_mib}
    assert set(choose_victims(lodgers, **asked)) == set(choose_victims(lodgers[::-1], **asked))


def test_the_youngest_of_equals_goes() -> None:
    lodgers = [lodger(1, 1000, 256, age=50), lodger(2, 1000, 256, age=5), lodger(3, 1000, 256, age=20)]
    assert [one.id for one in choose_victims(lodgers, cpu_m=0, memory_mib=200)] == ["g2"]
    assert {one.id for one in choose_victims(lodgers, cpu_m=0, memory_mib=512)} == {"g2", "g3"}


def test_memory_alone_that_lacks_sends_nobody_for_his_processors() -> None:
    lodgers = [lodger(1, 64_000, 128), lodger(2, 100, 1024, age=90)]
    assert [one.id for one in choose_victims(lodgers, cpu_m=-5, memory_mib=1000)] == ["g2"]
