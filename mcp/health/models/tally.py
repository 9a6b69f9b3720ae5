"""Counters that belong to no process, for rare things."""

from __future__ import annotations

from django.db import models


class Tally(models.Model):
    """Only grows. For what happens seldom: every increment is a write to one row."""

    name = models.CharField(primary_key=True, max_length=64)
    count = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.count}"
