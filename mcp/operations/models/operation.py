"""One row per request that takes time: what was asked, how far it got, who works on it, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from mcp.ids import new_id
from mcp.operations.states import ACTIVE, SETTLED, OperationState, StepState


@dataclass(slots=True)
class StepRecord:
    """One line of an operation's journal. Times are RFC 3339 strings, `data` is what the step left for later steps."""

    name: str
    title: str
    state: str = StepState.PENDING.value
    attempt: int = 0
    started_at: str | None = None
    finished_at: str | None = None
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)


RECORD_FIELDS = tuple(one.name for one in fields(StepRecord))


class Operation(models.Model):
    """The journal is one JSON column, so that a step's end and the next one's beginning are one conditional UPDATE.

    Every write of a worker carries `WHERE fence = mine AND state = running`: a worker that lost its lease writes nothing.
    The row is its own outbox entry: `woken_at` tells the sweeper whether the message about it may have been lost.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=64)
    account_id = models.UUIDField(null=True, blank=True)
    actor = models.CharField(max_length=200, help_text="Who asked: a person's address, a key's prefix, or 'system'.")
    request_id = models.CharField(max_length=64, blank=True)
    batch_id = models.UUIDField(null=True, blank=True)
    target_type = models.CharField(max_length=32)
    target_id = models.UUIDField()
    target_name = models.CharField(max_length=120, blank=True)
    exclusive = models.BooleanField(default=True)
    params = models.JSONField(default=dict, blank=True)
    queue = models.CharField(max_length=64, default="mcp")
    lanes = models.JSONField(default=list, blank=True, help_text="Lanes whose concurrency it counts against, as scope:key.")

    state = models.CharField(max_length=16, choices=OperationState.choices, default=OperationState.QUEUED)
    undoing = models.BooleanField(default=False)
    cancel_requested = models.BooleanField(default=False)
    journal = models.JSONField(default=list, blank=True)
    progress = models.PositiveSmallIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    placement = models.JSONField(null=True, blank=True, help_text="The explanation of the placement, for operators.")
    result = models.JSONField(default=dict, blank=True)

    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True, help_text="A sentence for the customer.")
    error_retryable = models.BooleanField(default=False)
    operator_detail = models.TextField(blank=True, help_text="What an operator needs to know; never shown to customers.")

    attempt = models.PositiveIntegerField(default=0)
    fence = models.PositiveBigIntegerField(default=0)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(default=timezone.now)
    troubled_since = models.DateTimeField(null=True, blank=True, help_text="When the present step first failed.")
    woken_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    SETTLED: ClassVar[frozenset[str]] = SETTLED

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["target_id"],
                condition=models.Q(exclusive=True, state__in=sorted(ACTIVE)),
                name="one_exclusive_operation_a_target",
            ),
            models.CheckConstraint(condition=models.Q(state__in=OperationState.values), name="operation_state_is_known"),
            models.CheckConstraint(
                condition=~models.Q(state="running") | models.Q(lease_until__isnull=False),
                name="running_operation_has_a_lease",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=sorted(SETTLED)) | models.Q(finished_at__isnull=False),
                name="settled_operation_has_an_end",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "-created_at", "-id"], name="operation_of_account"),
            models.Index(fields=["-created_at", "-id"], name="operation_newest"),
            models.Index(fields=["kind", "-created_at", "-id"], name="operation_of_kind"),
            # The few that are at work or ended badly; of those that succeeded any newest ones will do.
            models.Index(
                fields=["state", "-created_at", "-id"], name="operation_not_succeeded", condition=~models.Q(state="succeeded")
            ),
            models.Index(fields=["target_id", "-fence"], name="operation_of_target"),
            models.Index(fields=["batch_id"], name="operation_of_batch", condition=models.Q(batch_id__isnull=False)),
            models.Index(fields=["queue", "not_before"], name="operation_due", condition=models.Q(state="queued")),
            models.Index(fields=["lease_until"], name="operation_leased", condition=models.Q(state="running")),
            models.Index(fields=["-created_at"], name="operation_attention", condition=models.Q(state="needs_attention")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target_name or self.target_id} ({self.state})"

    @property
    def settled(self) -> bool:
        """Whether it has ended; NEEDS_ATTENTION has not."""
        return self.state in SETTLED

    @property
    def steps(self) -> list[StepRecord]:
        """The journal as typed records (copies)."""
        return [StepRecord(**record) for record in self.journal]

    @staticmethod
    def journal_of(steps: list[StepRecord]) -> list[dict[str, Any]]:
        """The stored form of step records."""
        return [{name: getattr(step, name) for name in RECORD_FIELDS} for step in steps]
