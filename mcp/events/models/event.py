"""One thing that happened to a customer's property: the timeline, `/events`, and later webhooks read this one table."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone


class CurrentTransaction(models.Func):
    """The number of the writing transaction on PostgreSQL; 0 elsewhere (SQLite writes one transaction at a time)."""

    template = "0"
    arity = 0
    output_field = models.BigIntegerField()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """`xid8`, which never wraps around."""
        return super().as_sql(compiler, connection, template="pg_current_xact_id()::text::bigint", **extra)


class Event(models.Model):
    """Append-only. Messages are sentences for customers: they never name hosts.

    Ids are given out before their transactions commit, so a lower one can appear after a higher one. Readers that must not
    miss any therefore go by (`tx`, `id`) and stop before the oldest transaction still at work (services/tail.py).
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    account_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=64)
    target_type = models.CharField(max_length=32)
    target_id = models.UUIDField()
    target_name = models.CharField(max_length=120, blank=True)
    operation_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=200, blank=True)
    message = models.TextField()
    data = models.JSONField(default=dict, blank=True)
    tx = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "tx", "id"], name="event_of_account"),
            models.Index(fields=["target_id", "-id"], name="event_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.kind} {self.target_name}: {self.message}"
