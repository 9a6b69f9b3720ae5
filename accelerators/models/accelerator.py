"""The accelerator: a customer's own machine, whatever runs it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accelerators.models.plan import Plan
from accelerators.states import PreemptReason, State
from accounts.models import Account
from mcp.ids import new_id
from pods.models import Host, Image, Pod

POLICY = [("required", "required"), ("preferred", "preferred")]
POWER = [("running", "running"), ("stopped", "stopped"), ("unknown", "unknown")]


class Accelerator(models.Model):
    """`state` is ours, `power_wanted` the customer's wish, `power_observed` what a host showed at `observed_at`.

    `revision` grows with every edit by people; it makes the ETag.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="accelerators")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=8, default="zone")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PROVISIONING)
    power_wanted = models.CharField(max_length=8, choices=POWER, default="running")
    power_observed = models.CharField(max_length=8, choices=POWER, default="unknown")
    observed_at = models.DateTimeField(null=True, blank=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="accelerators")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="accelerators")
    pod = models.ForeignKey(Pod, on_delete=models.PROTECT, related_name="accelerators")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, null=True, blank=True, related_name="accelerators")
    memory_mib = models.PositiveIntegerField()
    cpu_m = models.PositiveIntegerField(help_text="Thousandths of a processor.")
    disk_gib = models.PositiveIntegerField()
    processes = models.PositiveIntegerField()
    uid_slot = models.PositiveIntegerField(default=0)
    ssh_keys = models.JSONField(default=list, blank=True, help_text="The public keys let in, as text.")
    sealed_user_script = models.TextField(blank=True, editable=False)
    metadata = models.JSONField(default=dict, blank=True)
    protected = models.BooleanField(default=False)
    group = models.CharField(max_length=64, blank=True)
    spread = models.CharField(max_length=8, default="none")
    spread_limit = models.PositiveSmallIntegerField(default=1)
    spread_policy = models.CharField(max_length=9, choices=POLICY, default="required")
    near = models.CharField(max_length=64, blank=True, help_text="The group whose hosts it is to share.")
    near_policy = models.CharField(max_length=9, choices=POLICY, default="preferred")
    preemptible = models.BooleanField(default=False)
    preempt_at = models.DateTimeField(null=True, blank=True, help_text="Under notice: when it will be stopped to give room back.")
    preempt_reason = models.CharField(max_length=8, choices=PreemptReason.choices, blank=True)
    preempted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it lost its room to a firm plan or a window's end."
    )
    first_boot_exit = models.IntegerField(null=True, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.TextField(blank=True)
    trash_until = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    last_known = models.JSONField(default=dict, blank=True, help_text="What 410 answers once it is deleted.")
    missing_since = models.DateTimeField(null=True, blank=True, help_text="When its host first showed nothing of it.")
    settled_at = models.DateTimeField(default=timezone.now, help_text="When its last operation ended.")
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "name"], condition=~Q(state="deleted"), name="one_accelerator_a_name"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="accelerator_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state="deleted") | Q(deleted_at__isnull=False), name="deleted_accelerator_has_a_time"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-created_at", "-id"], name="accelerator_of_account"),
            models.Index(fields=["-created_at", "-id"], name="accelerator_newest"),
            # The console's lists, by what few accelerators are; of those that run any newest ones will do.
            models.Index(fields=["state", "-created_at", "-id"], name="accelerator_not_running", condition=~Q(state="running")),
            models.Index(
                fields=["power_observed", "-created_at", "-id"],
                name="accelerator_not_seen_running",
                condition=~Q(power_observed="running"),
            ),
            models.Index(fields=["pod", "-created_at", "-id"], name="accelerator_newest_in_pod"),
            models.Index(fields=["name"], name="accelerator_by_name", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["host"], name="accelerator_on_host", condition=~Q(state="deleted")),
            models.Index(fields=["preempt_at"], name="accelerator_under_notice", condition=Q(preempt_at__isnull=False)),
            models.Index(fields=["preempted_at"], name="accelerator_preempted", condition=Q(preempted_at__isnull=False)),
            models.Index(fields=["trash_until"], name="accelerator_trash", condition=Q(state="trashed")),
        ]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A customer's label; rows, so that selecting by tag is one index look-up on every database."""

    accelerator = models.ForeignKey(Accelerator, on_delete=models.CASCADE, related_name="tag_rows")
    key = models.CharField(max_length=64)
    value = models.CharField(max_length=128, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["accelerator", "key"], name="one_value_a_tag")]
        indexes: ClassVar = [models.Index(fields=["key", "value"], name="tag_by_value")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"
