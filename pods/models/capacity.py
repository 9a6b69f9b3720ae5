"""How full a pod was."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from pods.models.pod import Pod


class CapacitySample(models.Model):
    """A pod's sums over its hosts that are not retired, at an hour. The first of each day is kept longer than the others."""

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="capacity_samples")
    at = models.DateTimeField(help_text="The hour that it stands for.")
    daily = models.BooleanField(default=False, help_text="Whether it is the first of its day (UTC).")
    hosts = models.PositiveIntegerField()
    guests = models.PositiveIntegerField()
    cap_cpu_m = models.BigIntegerField()
    cap_memory_mib = models.BigIntegerField()
    cap_disk_gib = models.BigIntegerField()
    used_cpu_m = models.BigIntegerField()
    used_memory_mib = models.BigIntegerField()
    used_disk_gib = models.BigIntegerField()

    class Meta:
        ordering: ClassVar = ["-at", "pod"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["pod", "at"], name="one_capacity_sample_an_hour")]
        indexes: ClassVar = [
            models.Index(fields=["at"], name="capacity_sample_of_days", condition=models.Q(daily=True)),
            models.Index(fields=["at"], name="capacity_sample_of_hours"),
        ]

    def __str__(self) -> str:
        return f"{self.pod_id} at {self.at:%F %H:00}"
