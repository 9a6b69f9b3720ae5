"""What operators decide about placement, and what was refused."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from mcp.ids import new_id


class PlacementWeight(models.Model):
    """How much one score term counts, where an operator wants another weight than the default."""

    term = models.CharField(max_length=32, primary_key=True)
    weight = models.FloatField()
    changed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.term} x {self.weight:g}"


class Refusal(models.Model):
    """A request that found no room, with the whole explanation; kept for a while, for those who buy machines."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account_id = models.UUIDField(null=True, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=64)
    sentence = models.TextField()
    request = models.JSONField(default=dict, help_text="What was asked: plan, image, pod, count, group, spread.")
    placement = models.JSONField(default=dict, help_text="The operator's and the customer's explanation.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["-created_at", "-id"], name="refusal_newest")]

    def __str__(self) -> str:
        return self.sentence
