"""The tenant: what owns accelerators and pays for them."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from mcp.ids import new_id

SLUG = RegexValidator(r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$", "Use 2 to 32 of a-z, 0-9 and -, beginning with a letter.")

# What a new account may hold until an operator says otherwise; None means no limit. `docs/limits.md` explains each.
DEFAULT_LIMITS: dict[str, int | None] = {
    "accelerators": 100,
    "memory_mib": 262_144,
    "vcpus": 256,
    "disk_gib": 10_240,
    "ssh_keys": 50,
    "api_keys": 50,
    "members": 50,
}


class Account(models.Model):
    """Its row is the first lock of every request that takes something from its limits."""

    class State(models.TextChoices):
        """A suspended account reads, and can delete, but makes nothing new."""

        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=32, unique=True, validators=[SLUG], help_text="Part of DNS names; never changes.")
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    time_zone = models.CharField(max_length=64, default="UTC")
    currency = models.CharField(max_length=3, default="USD")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["slug"]
        indexes: ClassVar = [models.Index(fields=["created_at", "id"], name="account_by_age")]

    def __str__(self) -> str:
        return self.slug


class AccountLimit(models.Model):
    """An operator's exception to DEFAULT_LIMITS. Use is never stored: it is counted from live rows."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="limit_rows")
    resource = models.CharField(max_length=32, choices=[(name, name) for name in DEFAULT_LIMITS])
    limit = models.PositiveIntegerField(null=True, blank=True, help_text="Empty means no limit.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "resource"], name="one_limit_a_resource")]

    def __str__(self) -> str:
        return f"{self.account} {self.resource} <= {self.limit}"
