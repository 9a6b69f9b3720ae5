"""A pod: hosts on one network with their gear; the unit of location, overcommit and failure."""

from __future__ import annotations

import zoneinfo
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from mcp.ids import new_id
from pods.states import PodState

SLUG = RegexValidator(r"^[a-z][a-z0-9-]{0,22}[a-z0-9]$", "Use 2 to 24 of a-z, 0-9 and -, beginning with a letter.")


def known_time_zone(name: str) -> None:
    """Raises ValidationError for what the time zone database does not know."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValidationError("There is no time zone of that name; write it like Europe/Amsterdam or UTC.") from exc


class Pod(models.Model):
    """Overcommit applies to every host of the pod when its capacity is recorded; reserves are kept per host."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=24, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80, blank=True)
    location = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=16, choices=PodState.choices, default=PodState.OPEN)
    cpu_overcommit = models.FloatField(default=8.0, validators=[MinValueValidator(0.1)])
    memory_overcommit = models.FloatField(default=1.0, validators=[MinValueValidator(0.1)])
    disk_overcommit = models.FloatField(default=1.0, validators=[MinValueValidator(0.1)])
    reserve_memory_mib = models.PositiveIntegerField(default=512, help_text="Kept free on every host for the host itself.")
    reserve_disk_gib = models.PositiveIntegerField(default=2, help_text="Kept free on every host, for images and logs.")
    n_plus_one = models.BooleanField(
        default=False, help_text="Refuse guests whose arrival would leave no room for those of any one host that is lost."
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[known_time_zone], help_text="In which the windows of its hosts are meant."
    )
    resolvers = models.JSONField(default=list, blank=True, help_text="Name servers written into guests.")
    dns_suffix = models.CharField(max_length=120, blank=True)
    queue = models.CharField(max_length=64, default="mcp", help_text="The workers' queue for this pod's operations.")
    sealed_ssh_key = models.TextField(blank=True, editable=False, help_text="The private key that opens its hosts, sealed.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug
