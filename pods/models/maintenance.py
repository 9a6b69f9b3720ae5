"""Maintenance windows: announced beforehand, kept by the clock."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from mcp.ids import new_id
from pods.models.host import Host
from pods.models.pod import Pod
from pods.states import HostDuty, WindowState


class MaintenanceWindow(models.Model):
    """For one host, or for all hosts of a pod. `changed` keeps by host id the duty that each host had before it opened."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, null=True, blank=True, related_name="windows")
    pod = models.ForeignKey(Pod, on_delete=models.PROTECT, related_name="windows", help_text="The host's, too.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    duty = models.CharField(
        max_length=16, default=HostDuty.MAINTENANCE,
        choices=[(HostDuty.MAINTENANCE, "maintenance"), (HostDuty.DRAINING, "draining")],
    )  # fmt: skip
    reason = models.CharField(max_length=200, help_text="Customers read it.")
    state = models.CharField(max_length=16, choices=WindowState.choices, default=WindowState.PLANNED)
    changed = models.JSONField(default=dict, blank=True)
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-starts_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="window_ends_after_its_start"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-starts_at", "-id"], name="window_newest"),
            models.Index(fields=["pod"], name="window_to_come", condition=Q(state__in=["planned", "open"])),
        ]

    def __str__(self) -> str:
        return f"{self.host or self.pod} from {self.starts_at:%F %R} to {self.ends_at:%F %R} UTC"

    @property
    def live(self) -> bool:
        """Whether it is still to come, or open."""
        return self.state in (WindowState.PLANNED, WindowState.OPEN)
