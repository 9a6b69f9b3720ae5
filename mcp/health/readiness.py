"""Whether this process can serve: the database answers, its tables are those of this code, the broker answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from mcp.celery import app

BROKER_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """One answer; `detail` says what is wrong, without addresses or secrets."""

    name: str
    ok: bool
    detail: str = ""


def database() -> Check:
    """One round trip."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Check("database", False, "The database does not answer.")
    return Check("database", True)


def unapplied_migrations() -> list[str]:
    """Migrations in the code that the database lacks."""
    executor = MigrationExecutor(connection)
    return [f"{m.app_label}.{m.name}" for m, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


_migrated = False


def migrations() -> Check:
    """Whether all are applied; once they are they stay, so that asking again costs nothing."""
    global _migrated  # noqa: PLW0603  (a process-wide memory of something that cannot become false)
    try:
        missing = [] if _migrated else unapplied_migrations()
    except DatabaseError:
        return Check("migrations", False, "The database does not answer.")
    _migrated = not missing
    return Check("migrations", _migrated, f"{len(missing)} migrations are missing; run ./manage.py migrate." if missing else "")


def broker() -> Check:
    """Whether the broker takes a connection."""
    if settings.EMBEDDED:
        return Check("broker", True)
    try:
        with app.connection_for_write(connect_timeout=BROKER_LIMIT_S, transport_options=_impatient()) as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=int(BROKER_LIMIT_S))
    except Exception:  # every transport has errors of its own, and any of them means "no"
        return Check("broker", False, "The broker does not answer.")
    return Check("broker", True)


def _impatient() -> dict[str, float]:
    return {"socket_timeout": BROKER_LIMIT_S, "socket_connect_timeout": BROKER_LIMIT_S}


CHECKS: tuple[Callable[[], Check], ...] = (database, migrations, broker)


def readiness() -> list[Check]:
    """All checks."""
    return [check() for check in CHECKS]
