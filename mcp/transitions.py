"""Tables of transitions enforced in the database: a trigger refuses every change of state that the table lacks.

The triggers are written anew after each `migrate`, from the tables in the code: SQLite drops them whenever a migration
rebuilds a table, and so they can never be older than the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig
from django.db import connections, models
from django.db.models.signals import post_migrate

Table = Mapping[str, frozenset[str]]

_guards: list[tuple[type[models.Model], str, Table]] = []


def guard(model: type[models.Model], column: str, table: Table) -> None:
    """Enforce `table` on a column of a model; called from AppConfig.ready, installed after each migrate."""
    if not any(known is model and name == column for known, name, _ in _guards):
        _guards.append((model, column, table))
        post_migrate.connect(_install, dispatch_uid="mcp.transitions")


def _install(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """After an app's migrations: (re)write the triggers of its models."""
    for model, column, table in _guards:
        if model._meta.app_label == sender.label:
            with connections[using].cursor() as cursor:
                if model._meta.db_table not in connections[using].introspection.table_names(cursor):
                    continue
                for statement in statements(connections[using].vendor, model._meta.db_table, column, table):
                    cursor.execute(statement)


def pairs(table: Table) -> list[str]:
    """The allowed changes as `from>to`, sorted."""
    return sorted(f"{before}>{after}" for before, nexts in table.items() for after in nexts)


def statements(vendor: str, table_name: str, column: str, table: Table) -> list[str]:
    """The SQL that (re)installs one guard. Names and states come from the code, never from input."""
    allowed = ", ".join(f"'{pair!s}'" for pair in pairs({str(k): frozenset(map(str, v)) for k, v in table.items()}))
    name = f"{table_name}_{column}_guard"
    if vendor == "postgresql":
        return [
            f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$
                BEGIN
                    IF OLD.{column} <> NEW.{column} AND OLD.{column} || '>' || NEW.{column} NOT IN ({allowed}) THEN
                        RAISE EXCEPTION 'no transition from % to % in {table_name}', OLD.{column}, NEW.{column}
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                END $guard$""",
            f"DROP TRIGGER IF EXISTS {name} ON {table_name}",
            f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON {table_name} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"""CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON {table_name} FOR EACH ROW
            WHEN OLD.{column} <> NEW.{column} AND OLD.{column} || '>' || NEW.{column} NOT IN ({allowed})
            BEGIN SELECT RAISE(ABORT, 'no such transition in {table_name}'); END""",
    ]
