"""Plans: how much of a machine, for how much money."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from mcp.ids import new_id
from pods.models.traits import check_traits
from pods.placement.request import Need

SLUG = RegexValidator(r"^[a-z0-9][a-z0-9.-]{0,46}[a-z0-9]$", "Use 2 to 48 of a-z, 0-9, dot and -.")


class Plan(models.Model):
    """A size and its price. What was sold keeps its numbers: an accelerator copies them from the plan when it is made."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=48, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=[("zone", "zone"), ("vm", "vm")], default="zone")
    memory_mib = models.PositiveIntegerField(validators=[MinValueValidator(16)])
    vcpus = models.DecimalField(max_digits=6, decimal_places=2, validators=[MinValueValidator(Decimal("0.05"))])
    disk_gib = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    processes = models.PositiveIntegerField(default=512, validators=[MinValueValidator(16)])
    required_traits = models.JSONField(default=list, blank=True, help_text="Only hosts that have all of these.")
    forbidden_traits = models.JSONField(default=list, blank=True, help_text="No host that has one of these.")
    preemptible = models.BooleanField(
        default=False, help_text="Uses what is idle, and is stopped with notice when a firm plan needs the room."
    )
    comes_back = models.BooleanField(
        default=False, help_text="Preempted accelerators of it start again by themselves when there is idle room."
    )
    price_hourly = models.DecimalField(max_digits=12, decimal_places=4)
    price_monthly = models.DecimalField(max_digits=12, decimal_places=2)
    price_yearly = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="USD")
    active = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["position", "memory_mib", "slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Raises ValidationError for words that are no traits, or that are both required and forbidden."""
        check_traits(required_traits=self.required_traits, forbidden_traits=self.forbidden_traits)

    @property
    def need(self) -> Need:
        """What one guest of this plan takes from a host."""
        return Need(cpu_m=int(self.vcpus * 1000), memory_mib=self.memory_mib, disk_gib=self.disk_gib)

    @property
    def price(self) -> dict[str, str]:
        """As the API shows it."""
        return {
            "hourly": str(self.price_hourly), "monthly": str(self.price_monthly), "yearly": str(self.price_yearly),
            "currency": self.currency,
        }  # fmt: skip
