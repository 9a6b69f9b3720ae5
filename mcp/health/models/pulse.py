"""Signs of life: who was seen working, and when."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Pulse(models.Model):
    """One row a worker process (`worker:HOST:PID:RANDOM`), and one for the sweeper (`sweep`), which proves that the
    clock, the broker and a worker work together. Rows of the dead are removed after a day."""

    name = models.CharField(primary_key=True, max_length=160)
    at = models.DateTimeField()
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"{self.name} {self.at:%F %T}"
