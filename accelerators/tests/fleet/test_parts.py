"""The parts that a fleet is drawn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accelerators.fleet.draw import Draw
from accelerators.fleet.people import limits_beyond, sizes
from accelerators.fleet.write import write, write_lines
from accounts.models import Account
from mcp.events.models import AuditEntry, Event
from mcp.ids import new_id

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_ids_sort_by_their_moments() -> None:
    draw = Draw(1, NOW)
    ids = [draw.id_at(NOW + timedelta(seconds=n)) for n in range(50)]
    assert ids == sorted(ids)
    assert {key.version for key in ids} == {7}
    assert {key.variant for key in ids} == {new_id().variant}


def test_moments_lie_between_their_bounds() -> None:
    draw = Draw(2, NOW)
    for _ in range(200):
        assert NOW - timedelta(days=9) <= draw.ago(timedelta(days=9), timedelta(days=1)) <= NOW - timedelta(days=1)


@given(st.integers(0, 300), st.integers(0, 9))
def test_values_are_spread_out_in_full(n: int, seed: int) -> None:
    found = Draw(seed, NOW).spread_out({"rare": 0.001, "some": 0.3}, n, "rest")
    assert len(found) == n
    if n >= 6:
        assert {"rare", "some", "rest"} <= set(found)


@given(st.integers(1, 400), st.integers(0, 5), st.data())
def test_sizes_add_up_and_leave_nobody_out(accounts: int, seed: int, data: st.DataObject) -> None:
    accelerators = data.draw(st.integers(accounts, 20 * accounts))
    found = sizes(Draw(seed, NOW), accelerators, accounts)
    assert len(found) == accounts
    assert sum(found) == accelerators
    assert min(found) >= 1


def test_sizes_have_a_long_tail() -> None:
    found = sizes(Draw(1, NOW), 100_000, 5_000)
    assert max(found) > 200
    assert sorted(found)[len(found) // 2] < 20


def test_limits_are_raised_only_where_the_usual_do_not_do() -> None:
    account = Account(slug="acme")
    raised = limits_beyond(account, {"accelerators": 250, "memory_mib": 1_000, "vcpus": 257, "disk_gib": 10_240})
    assert {row.resource: row.limit for row in raised} == {"accelerators": 400, "vcpus": 400}


def _entry(number: int) -> dict[str, Any]:
    return {
        "actor": "a\tb\\N", "action": "x.y", "target_type": "t", "target_id": str(number), "at": NOW,
        "changes": {"name": 'quoted "\n" \\ Ω'}, "account_id": UUID(int=number) if number else None,
    }  # fmt: skip


def _check_written() -> None:
    rows = list(AuditEntry.objects.order_by("id"))
    assert [row.target_id for row in rows] == ["0", "1", "2", "3"]
    assert {row.actor for row in rows} == {"a\tb\\N"}
    assert {row.changes["name"] for row in rows} == {'quoted "\n" \\ Ω'}
    assert [row.account_id for row in rows] == [None, UUID(int=1), UUID(int=2), UUID(int=3)]
    assert {row.source for row in rows} == {""}
    Event.objects.get(kind="k", data={}, message="m")
    assert Account.objects.get(slug="ab").currency == "USD"


def test_rows_and_lines_are_written_as_they_are(db: None) -> None:
    """On PostgreSQL by COPY."""
    write([])
    write([AuditEntry(**_entry(0)), AuditEntry(**_entry(1))])
    write_lines(AuditEntry, [_entry(2), _entry(3)])
    write_lines(Event, [{"kind": "k", "target_type": "t", "target_id": UUID(int=1), "message": "m", "at": NOW}])
    write([Account(slug="ab", name="Ab")])
    _check_written()


@pytest.mark.postgres
def test_copy_lets_the_database_number_events(on_postgres: None) -> None:
    line = {"kind": "k", "target_type": "t", "target_id": UUID(int=1), "message": "m", "at": NOW}
    write_lines(Event, [line, line])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        here = cursor.fetchone()[0]
    assert set(Event.objects.values_list("tx", flat=True)) == {here}
