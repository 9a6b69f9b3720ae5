"""Who did what, from where: one row per accepted change, written in the transaction that makes it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """Append-only; `changes` holds before and after, with secrets left out by whoever records."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=200)
    account_id = models.UUIDField(null=True, blank=True)
    source = models.CharField(max_length=64, blank=True, help_text="The caller's address, or the command line.")
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    target_type = models.CharField(max_length=32)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=120, blank=True)
    operation_id = models.UUIDField(null=True, blank=True)
    changes = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["account_id", "-id"], name="audit_of_account"),
            models.Index(fields=["target_id", "-id"], name="audit_of_target"),
            models.Index(fields=["action", "-id"], name="audit_of_action"),
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["request_id"], name="audit_of_request", condition=~models.Q(request_id="")),
            models.Index(fields=["operation_id"], name="audit_of_operation", condition=models.Q(operation_id__isnull=False)),
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.actor} {self.action} {self.target_name}"
