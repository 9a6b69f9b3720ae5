"""Differences between what is wanted and what a host shows."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from mcp.ids import new_id
from pods.models.host import Host
from pods.states import FindingKind, FindingState


class DriftFinding(models.Model):
    """One open row a host, guest and kind; seen again it is counted, gone it is resolved, decided it is kept as history."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=16, choices=FindingKind.choices)
    guest_name = models.CharField(max_length=120, help_text="What the host calls it.")
    target_id = models.UUIDField(null=True, blank=True, help_text="The accelerator, where it is one of ours.")
    target_name = models.CharField(max_length=120, blank=True)
    account_id = models.UUIDField(null=True, blank=True)
    wanted = models.JSONField(default=dict, blank=True)
    found = models.JSONField(default=dict, blank=True)
    sentence = models.CharField(max_length=300)
    state = models.CharField(max_length=16, choices=FindingState.choices, default=FindingState.OPEN)
    times_seen = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    operation_id = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-last_seen_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["host", "kind", "guest_name"],
                condition=Q(state__in=["open", "ignored"]),
                name="one_live_finding_a_guest_and_kind",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["-last_seen_at"], name="finding_open", condition=Q(state="open")),
            models.Index(fields=["-last_seen_at", "-id"], name="finding_newest"),
            models.Index(fields=["first_seen_at", "id"], name="finding_oldest"),
            models.Index(fields=["state", "-last_seen_at", "-id"], name="finding_by_state"),
            models.Index(fields=["kind", "-last_seen_at", "-id"], name="finding_by_kind"),
            models.Index(fields=["target_id"], name="finding_of_target"),
            models.Index(fields=["account_id"], name="finding_of_account"),
        ]

    def __str__(self) -> str:
        return self.sentence
