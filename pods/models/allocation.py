"""A promise of a host's capacity to one guest."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from mcp.ids import new_id
from pods.models.host import Host
from pods.models.pod import Pod


class Spread(models.TextChoices):
    """How members of a group keep apart; enforced by the unique constraints below, whatever races."""

    NONE = "none"
    HOST = "host"
    POD = "pod"


class Allocation(models.Model):
    """Made before anything is built and released only after the host is proven clean. `holder_id` is the guest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    holder_id = models.UUIDField(unique=True)
    account_id = models.UUIDField()
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="allocations")
    pod = models.ForeignKey(Pod, on_delete=models.PROTECT, related_name="allocations")
    cpu_m = models.PositiveIntegerField()
    memory_mib = models.PositiveIntegerField()
    disk_gib = models.PositiveIntegerField()
    uid_slot = models.PositiveIntegerField()
    group = models.CharField(max_length=120, blank=True)
    spread = models.CharField(max_length=8, choices=Spread.choices, default=Spread.NONE)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "uid_slot"], name="one_uid_range_a_guest"),
            models.UniqueConstraint(fields=["group", "host"], condition=Q(spread="host"), name="spread_over_hosts"),
            models.UniqueConstraint(fields=["group", "pod"], condition=Q(spread="pod"), name="spread_over_pods"),
        ]

    def __str__(self) -> str:
        return f"{self.holder_id} on {self.host_id}"
