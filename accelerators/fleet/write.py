"""Write many rows at once: by COPY on PostgreSQL, by long INSERTs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import AutoField, BigAutoField, Field, JSONField, Model
from django.db.models.fields import NOT_PROVIDED

AT_ONCE = 500


def write(rows: Sequence[Model]) -> None:
    """Insert rows of one model. Keys that the database gives out and columns that it fills are left to it.

    The caller holds a transaction. Raises IntegrityError like any INSERT.
    """
    if not rows:
        return
    if connection.vendor == "postgresql":
        _copy(rows)
    else:
        type(rows[0])._default_manager.bulk_create(rows, batch_size=AT_ONCE)


def write_lines(model: type[Model], lines: Sequence[dict[str, Any]]) -> None:
    """The same from plain values by column attribute: what is left out takes its default. For rows by the hundred thousand,
    of which making instances would be most of the cost."""
    if connection.vendor != "postgresql":
        write([model(**line) for line in lines])
        return
    columns, read = _columns(model)
    usual = {field.attname: field.get_default() for field in model._meta.concrete_fields}
    _copy_in(model, columns, (read(usual | line) for line in lines))


def _copy(rows: Sequence[Model]) -> None:
    columns, read = _columns(type(rows[0]))
    _copy_in(type(rows[0]), columns, (read(row.__dict__) for row in rows))


def _copy_in(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@cache
def _columns(model: type[Model]) -> tuple[list[str], Callable[[Mapping[str, Any]], list[Any]]]:
    """The columns, and a function that reads a row's values as COPY takes them: plain, JSON as text."""
    fields = [field for field in model._meta.concrete_fields if not _left_to_the_database(field)]
    readers = [(field.attname, isinstance(field, JSONField)) for field in fields]

    def read(values: Mapping[str, Any]) -> list[Any]:
        return [_json(values[name]) if is_json else values[name] for name, is_json in readers]

    return [str(field.column) for field in fields], read


def _left_to_the_database(field: Field[Any, Any]) -> bool:
    return isinstance(field, AutoField | BigAutoField) or field.db_default is not NOT_PROVIDED


def _json(value: Any) -> str | None:
    if value is None:
        return None
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    return json.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":"))
