"""Every guarded table, pair by pair: what it has passes, what it lacks the database refuses. On either database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.states import TRANSITIONS as ACCELERATOR
from accelerators.testing.world import World
from mcp import transitions
from mcp.operations.models import Operation
from mcp.operations.states import TRANSITIONS as OPERATION
from mcp.transitions import Table, guard, pairs, statements
from pods.models import Host, MaintenanceWindow, Move, MoveRun
from pods.states import DUTY_TRANSITIONS, MOVE_TRANSITIONS, RUN_TRANSITIONS, WINDOW_TRANSITIONS

GUARDED: dict[str, tuple[type[models.Model], str, Table]] = {
    "accelerator": (Accelerator, "state", ACCELERATOR),
    "operation": (Operation, "state", OPERATION),
    "host": (Host, "duty", DUTY_TRANSITIONS),
    "run": (MoveRun, "state", RUN_TRANSITIONS),
    "move": (Move, "state", MOVE_TRANSITIONS),
    "window": (MaintenanceWindow, "state", WINDOW_TRANSITIONS),
}
CASES = [pytest.param(name, str(before), id=f"{name}-{before}") for name, (_, _, table) in GUARDED.items() for before in table]


def unguarded(model: type[models.Model], change: Callable[[], object]) -> None:
    """Bring a row into a state by the back door; the guard is there again afterwards."""
    _, column, table = next(entry for entry in GUARDED.values() if entry[0] is model)
    name = model._meta.db_table
    on = f" ON {name}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}_{column}_guard{on}")
        change()
        for statement in statements(connection.vendor, name, column, table):
            cursor.execute(statement)


def extras(name: str) -> dict[str, Any]:
    """What other constraints want of a row, whatever its state."""
    now = timezone.now()
    if name == "accelerator":
        return {"deleted_at": now}
    return {"finished_at": now, "lease_until": now, "lease_owner": "w"} if name == "operation" else {}


def make(name: str, world: World) -> None:
    """One row of it at least."""
    if name in ("accelerator", "operation"):
        world.create()
    if name in ("run", "move"):
        host = world.pod.hosts.order_by("name")[0]
        run = MoveRun.objects.create(purpose="evacuation", pod=world.pod, host=host, actor="x")
        Move.objects.create(
            run=run, position=1, holder_id=run.pk, holder_name="web", source=host, target=host, cpu_m=1, memory_mib=1, disk_gib=1
        )
    if name == "window":
        now = timezone.now()
        MaintenanceWindow.objects.create(pod=world.pod, starts_at=now, ends_at=now + timedelta(hours=1), reason="x", actor="x")


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "before"), CASES)
def test_from_each_state_to_each_other(world: World, name: str, before: str) -> None:
    model, column, table = GUARDED[name]
    make(name, world)
    row = model._default_manager.order_by("pk")[0]
    rows = model._default_manager.filter(pk=row.pk)
    for after in map(str, table):
        unguarded(model, lambda: rows.update(**{column: before}, **extras(name)))
        if after in table[before] or after == before:
            assert rows.update(**{column: after}) == 1
        else:
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.update(**{column: after})
        assert rows.values_list(column, flat=True).get() == (after if after in table[before] else before)


def test_every_guard_is_tried_here_and_every_table_is_closed() -> None:
    assert {(model, column) for model, column, _ in transitions._guards} == {(m, c) for m, c, _ in GUARDED.values()}
    for model, column, table in GUARDED.values():
        field = model._meta.get_field(column)
        assert isinstance(field, models.Field)
        assert set(table) == {value for value, _ in field.choices or []}, "a state without a line in its table"
        assert {after for nexts in table.values() for after in nexts} <= set(table)


@pytest.mark.django_db
def test_one_bad_row_refuses_the_whole_statement(world: World) -> None:
    world.create(count=3)
    first = Accelerator.objects.order_by("pk")[0]
    Accelerator.objects.filter(pk=first.pk).update(state="running")
    with pytest.raises(IntegrityError), transaction.atomic():
        Accelerator.objects.update(state="failed")  # right for two of them
    assert sorted(Accelerator.objects.values_list("state", flat=True)) == ["provisioning", "provisioning", "running"]


@pytest.mark.django_db
def test_raw_sql_is_refused_too_and_other_columns_are_free(world: World) -> None:
    world.create()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accelerators_accelerator SET state = 'stopped'")
    assert Accelerator.objects.update(name="other", power_wanted="stopped") == 1


def test_pairs_are_sorted_and_whole() -> None:
    assert pairs({"a": frozenset({"c", "b"}), "b": frozenset(), "c": frozenset({"a"})}) == ["a>b", "a>c", "c>a"]


@pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
def test_statements_can_be_repeated(vendor: str) -> None:
    text = "\n".join(statements(vendor, "t", "state", {"a": frozenset({"b"})}))
    assert "'a>b'" in text
    assert "DROP TRIGGER IF EXISTS t_state_guard" in text


def test_guarding_twice_is_guarding_once() -> None:
    before = list(transitions._guards)
    guard(Accelerator, "state", ACCELERATOR)
    assert transitions._guards == before
