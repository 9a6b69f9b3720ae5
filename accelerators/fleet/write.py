"""Write many rows at once: by COPY on PostgreSQL, by long INSERTs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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


def _copy(rows: Sequence[Model]) -> None:
    columns, read = _columns(type(rows[0]))
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    table = connection.ops.quote_name(type(rows[0])._meta.db_table)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(read(row))


@cache
def _columns(model: type[Model]) -> tuple[list[str], Callable[[Model], list[Any]]]:
    """The columns, and a function that reads a row's values as COPY takes them: plain, JSON as text."""
    fields = [field for field in model._meta.concrete_fields if not _left_to_the_database(field)]
    readers = [(field.attname, isinstance(field, JSONField)) for field in fields]

    def read(row: Model) -> list[Any]:
        values = row.__dict__
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
