"""Limits on concurrency, as rows. A lane is `scope:key`, for instance `host:<id>`; a ticket is one running operation in it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from mcp.operations.models.operation import Operation


class Lane(models.Model):
    """Locked while somebody claims in it, so that counting tickets and adding one cannot race."""

    name = models.CharField(max_length=96, primary_key=True)
    limit = models.PositiveIntegerField(null=True, blank=True, help_text="Empty means the default of its scope.")

    def __str__(self) -> str:
        return self.name

    @property
    def allowed(self) -> int:
        """How many operations may run in it at once."""
        if self.limit is not None:
            return self.limit
        return settings.LANE_DEFAULTS.get(self.name.partition(":")[0], 1_000_000)


class Ticket(models.Model):
    """A running operation's place in a lane; made with the claim, removed in the transaction that ends or parks it."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="tickets")
    lane = models.ForeignKey(Lane, on_delete=models.CASCADE, related_name="tickets")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["operation", "lane"], name="one_ticket_a_lane")]

    def __str__(self) -> str:
        return f"{self.operation_id} in {self.lane_id}"
