"""A promise of a host's capacity to one guest."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
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
    kind = models.CharField(max_length=8, default="zone")
    image_id = models.UUIDField(null=True, blank=True)
    required_traits = models.JSONField(
        default=list, blank=True, help_text="What any host of it must have, image's needs included."
    )
    forbidden_traits = models.JSONField(default=list, blank=True)
    group = models.CharField(max_length=120, blank=True)
    spread = models.CharField(max_length=8, choices=Spread.choices, default=Spread.NONE)
    group_limit = models.PositiveSmallIntegerField(default=1, help_text="Members of the group a host or pod, at most.")
    group_soft = models.BooleanField(default=False, help_text="Whether the spread is a preference only.")
    group_slot = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Its place among those members.")
    preemptible = models.BooleanField(default=False, help_text="Its processor and memory count as the host's spot_*.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "uid_slot"], name="one_uid_range_a_guest"),
            models.UniqueConstraint(
                fields=["group", "host", "group_slot"], condition=Q(spread="host"), name="places_of_a_group_on_a_host"
            ),
            models.UniqueConstraint(
                fields=["group", "pod", "group_slot"], condition=Q(spread="pod"), name="places_of_a_group_in_a_pod"
            ),
            models.CheckConstraint(
                condition=Q(spread="none") | Q(group_soft=True) | Q(group_slot__lt=F("group_limit")),
                name="group_slot_below_limit",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["group"], name="allocation_of_group", condition=~Q(group="")),
            models.Index(fields=["account_id", "host"], name="allocation_of_account"),
            models.Index(fields=["-created_at", "-id"], name="allocation_newest"),
            models.Index(fields=["pod", "-created_at", "-id"], name="allocation_newest_in_pod"),
        ]

    def __str__(self) -> str:
        return f"{self.holder_id} on {self.host_id}"
