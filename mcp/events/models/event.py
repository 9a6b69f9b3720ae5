"""One thing that happened to a customer's property: the timeline, `/events`, and later webhooks read this one table."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Event(models.Model):
    """Append-only. `id` grows; readers page with `?after=`. Messages are sentences for customers: they never name hosts."""

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

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "id"], name="event_of_account"),
            models.Index(fields=["target_id", "-id"], name="event_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.kind} {self.target_name}: {self.message}"
