"""Runs of moves between hosts: why, how far, and what became of each guest."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from mcp.ids import new_id
from pods.models.host import Host
from pods.models.pod import Pod
from pods.states import LIVE_RUNS, MoveRunState, MoveState


class MoveRun(models.Model):
    """An evacuation of one host, or a rebalance of a pod. All of its state is here: the clock's task may die at any moment.

    `picture` is how full the pod's hosts were before and will be after, in the order of the plan.
    """

    class Purpose(models.TextChoices):
        """Why guests move."""

        EVACUATION = "evacuation"
        REBALANCE = "rebalance"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    pod = models.ForeignKey(Pod, on_delete=models.PROTECT, related_name="move_runs")
    host = models.ForeignKey(
        Host, on_delete=models.PROTECT, null=True, blank=True, related_name="evacuations", help_text="The one being emptied."
    )
    state = models.CharField(max_length=16, choices=MoveRunState.choices, default=MoveRunState.RUNNING)
    parallel = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(1)])
    minimum_gain = models.FloatField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=200)
    estimated_s = models.FloatField(default=0)
    picture = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host"], condition=Q(state__in=sorted(LIVE_RUNS)), name="one_live_evacuation_a_host"),
            models.UniqueConstraint(
                fields=["pod"], condition=Q(state__in=sorted(LIVE_RUNS), purpose="rebalance"), name="one_live_rebalance_a_pod"
            ),
            models.CheckConstraint(
                condition=Q(purpose="evacuation", host__isnull=False) | Q(purpose="rebalance", host__isnull=True),
                name="evacuation_has_a_host",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="move_run_newest"),
            models.Index(fields=["created_at"], name="move_run_live", condition=Q(state__in=sorted(LIVE_RUNS))),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.host or self.pod}"

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.state in LIVE_RUNS


class Move(models.Model):
    """One guest of a run. `target` may change until it begins; `reason` says why it is not, or was not, moved."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(MoveRun, on_delete=models.CASCADE, related_name="moves")
    position = models.PositiveIntegerField()
    holder_id = models.UUIDField()
    holder_name = models.CharField(max_length=120)
    account_id = models.UUIDField(null=True, blank=True)
    source = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+")
    target = models.ForeignKey(Host, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    cpu_m = models.PositiveIntegerField()
    memory_mib = models.PositiveIntegerField()
    disk_gib = models.PositiveIntegerField()
    gain = models.FloatField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=MoveState.choices, default=MoveState.PLANNED)
    reason = models.TextField(blank=True)
    operation_id = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["run", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "position"], name="one_move_a_position"),
            models.UniqueConstraint(fields=["run", "holder_id"], name="one_move_a_guest_and_run"),
            models.CheckConstraint(condition=Q(state="stuck") | Q(target__isnull=False), name="move_that_is_made_has_a_target"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["run"], name="move_at_work", condition=Q(state="moving")),
            models.Index(fields=["run", "position"], name="move_to_come", condition=Q(state="planned")),
        ]

    def __str__(self) -> str:
        return f"{self.holder_name}: {self.source} to {self.target or 'nowhere'}"
