"""A machine that runs guests."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from mcp.ids import new_id
from pods.models.pod import Pod
from pods.models.traits import check_traits
from pods.placement.windows import WindowMalformed, parse_windows
from pods.states import HostDuty, HostState, SpotUse, shown_state


def check_windows(value: list[str]) -> None:
    """Raises ValidationError for a window that cannot be read."""
    try:
        parse_windows(value)
    except WindowMalformed as exc:
        raise ValidationError(str(exc)) from exc


class Host(models.Model):
    """`cap_*` is what may be promised (machine x overcommit - reserve), `used_*` what is; the database refuses more.

    `used_*` and `spot_*` change only together with an `Allocation` row; `doctor` proves the sums equal.
    CPU is counted in thousandths of a processor.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.PROTECT, related_name="hosts")
    name = models.CharField(max_length=64)
    driver = models.CharField(max_length=32, default="lxc")
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=22)
    user = models.CharField(max_length=32, default="root")
    host_key = models.TextField(blank=True, help_text="The pinned SSH host key: type and base64.")
    options = models.JSONField(default=dict, blank=True)
    kinds = models.JSONField(default=list, blank=True, help_text="What it can run: zone, vm.")
    traits = models.JSONField(default=list, blank=True)

    exclusive_account_id = models.UUIDField(
        null=True, blank=True, help_text="The one account whose guests it takes; empty: everybody's."
    )
    spot = models.CharField(
        max_length=8, choices=SpotUse.choices, default=SpotUse.NEVER, help_text="When it takes preemptible guests."
    )
    spot_windows = models.JSONField(
        default=list, blank=True, validators=[check_windows], help_text='Such as "mon-fri 19:00-07:00", in the pod\'s time zone.'
    )

    duty = models.CharField(max_length=16, choices=HostDuty.choices, default=HostDuty.ACTIVE)
    duty_reason = models.CharField(max_length=200, blank=True)
    reachable = models.BooleanField(default=True)
    failed_heartbeats = models.PositiveSmallIntegerField(default=0)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    inventory_at = models.DateTimeField(null=True, blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="What the last probe found.")
    probed_at = models.DateTimeField(null=True, blank=True)

    cap_cpu_m = models.PositiveIntegerField(default=0)
    cap_memory_mib = models.PositiveIntegerField(default=0)
    cap_disk_gib = models.PositiveIntegerField(default=0)
    used_cpu_m = models.PositiveIntegerField(default=0)
    used_memory_mib = models.PositiveIntegerField(default=0)
    used_disk_gib = models.PositiveIntegerField(default=0)
    # What preemptible guests use that run now. It comes on top of used_*, and gives way to it.
    spot_cpu_m = models.PositiveIntegerField(default=0)
    spot_memory_mib = models.PositiveIntegerField(default=0)
    guests = models.PositiveIntegerField(default=0)
    mishaps = models.PositiveSmallIntegerField(default=0, help_text="Guests that failed on it, lately.")
    mishap_at = models.DateTimeField(null=True, blank=True)
    # The transaction that wrote the row last, set by a trigger on PostgreSQL; caches of the fleet read what is newer.
    changed_tx = models.BigIntegerField(default=0, editable=False)
    next_uid_slot = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pod", "name"], name="one_host_a_name"),
            models.UniqueConstraint(fields=["address", "port"], condition=~Q(duty="retired"), name="one_host_an_address"),
            models.CheckConstraint(condition=Q(used_cpu_m__lte=F("cap_cpu_m")), name="host_cpu_not_oversold"),
            models.CheckConstraint(condition=Q(used_memory_mib__lte=F("cap_memory_mib")), name="host_memory_not_oversold"),
            models.CheckConstraint(condition=Q(used_disk_gib__lte=F("cap_disk_gib")), name="host_disk_not_oversold"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["pod"], name="host_taking_guests", condition=Q(duty="active", reachable=True)),
            models.Index(fields=["name", "id"], name="host_by_name"),
            models.Index(fields=["name"], name="host_by_beginning", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["created_at", "id"], name="host_by_age"),
            models.Index(fields=["duty", "name", "id"], name="host_by_duty"),
            models.Index(fields=["name", "id"], name="host_silent", condition=Q(reachable=False)),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError for words that are no traits."""
        check_traits(traits=self.traits)

    @property
    def state(self) -> HostState:
        """What people see."""
        return shown_state(self.duty, self.reachable)

    @property
    def lane(self) -> str:
        """The lane that bounds what is done on it at once."""
        return f"host:{self.pk}"
