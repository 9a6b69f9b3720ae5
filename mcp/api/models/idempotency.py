"""What was answered to a request that carried an Idempotency-Key."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class IdempotencyRecord(models.Model):
    """Written in the transaction of the change it belongs to: if one exists, so does the other.

    The body is sealed, because some answers show a secret once (a new API key).
    """

    id = models.BigAutoField(primary_key=True)
    owner = models.CharField(max_length=80, help_text="An account or an operator's key.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path, query and body.")
    status = models.PositiveSmallIntegerField(default=0)
    location = models.CharField(max_length=300, blank=True)
    sealed_body = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["owner", "key"], name="one_answer_a_key")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
