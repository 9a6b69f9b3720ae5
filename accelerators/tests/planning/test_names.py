"""Names are DNS labels, and a batch takes the numbers that are free."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators.planning.names import LABEL, numbered, well_formed

RFC_1123 = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
NEAR = st.text(alphabet="abz059-AZ_. \n\x00é", max_size=66)


@given(st.one_of(NEAR, st.text(max_size=70), st.from_regex(LABEL, fullmatch=True)))
def test_what_is_accepted_is_a_label_that_begins_with_a_letter(name: str) -> None:
    wanted = RFC_1123.fullmatch(name) is not None and name[0].isalpha()
    assert well_formed(name) is wanted


@pytest.mark.parametrize("name", ["a", "web", "a-b", "a--b", "x9", "a" * 63])
def test_good_names(name: str) -> None:
    assert well_formed(name)


@pytest.mark.parametrize(
    "name", ["", "9a", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n", "\na", "a\x00", "ä", "a" * 64, "а", "٣a", "../etc"]
)  # fmt: skip
def test_bad_names(name: str) -> None:
    assert not well_formed(name)


def test_one_keeps_its_name_and_several_are_numbered_around_what_is_taken() -> None:
    assert numbered("web", 1, {"web-1"}) == ["web"]
    assert numbered("web", 3, set()) == ["web-1", "web-2", "web-3"]
    assert numbered("web", 3, {"web", "web-1", "web-3"}) == ["web-2", "web-4", "web-5"]


@given(st.integers(2, 40), st.sets(st.integers(1, 60)))
def test_a_batch_is_free_unique_and_takes_the_lowest_numbers(count: int, numbers: set[int]) -> None:
    taken = {f"db-{number}" for number in numbers}
    names = numbered("db", count, taken)
    assert len(set(names)) == count
    assert not taken & set(names)
    last = int(names[-1].removeprefix("db-"))
    assert set(names) | {name for name in taken if int(name.removeprefix("db-")) < last} == {
        f"db-{n}" for n in range(1, last + 1)
    }
