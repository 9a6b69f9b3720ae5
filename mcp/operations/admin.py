"""The console's pages about operations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp.events.services.audit import audit
from mcp.operations.kinds import kinds
from mcp.operations.models import Lane, Operation
from mcp.operations.services.cancel import cancel
from mcp.operations.services.retry import retry
from mcp.operations.states import ACTIVE, OperationState
from mcp.web.console import ConsoleAdmin, Verb, badge, pretty


def _note(request: HttpRequest, action: str, row: Operation) -> None:
    audit(
        action, actor=request.user.get_username(), source=str(request.META.get("REMOTE_ADDR", "")), account_id=row.account_id,
        target_type="operation", target_id=row.pk, target_name=row.kind, operation_id=row.pk,
    )  # fmt: skip


def _retry(request: HttpRequest, row: Operation) -> str:
    with transaction.atomic():
        retry(row.pk)
        _note(request, "operation.retry", row)
    return f"The operation {row.kind} of {row.target_name} is tried again, from the step where it stopped."


def _cancel(request: HttpRequest, row: Operation) -> str:
    with transaction.atomic():
        cancel(row.pk)
        _note(request, "operation.cancel", row)
    return f"The operation {row.kind} of {row.target_name} was asked to stop; it turns back at its next step."


def _cancellable(row: Operation) -> bool:
    kind = kinds().get(row.kind)
    return row.state in ACTIVE and kind is not None and kind.cancellable


class KindFilter(admin.SimpleListFilter):
    """By kind, from the registry: no query over the table."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Every registered kind."""
        return [(name, name) for name in sorted(kinds())]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Those of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() in kinds() else queryset


@admin.register(Operation)
class OperationAdmin(ConsoleAdmin):
    """What was asked, how far it got, who works on it, why it stopped."""

    list_display = (
        "created_at",
        "kind",
        "target_name",
        "shown_state",
        "shown_progress",
        "attempt",
        "actor",
        "error_code",
        "took",
    )
    list_display_links = ("created_at", "kind")
    list_filter = ("state", KindFilter)
    ordering = ("-created_at", "-id")
    search_ids = ("pk", "target_id", "account_id", "batch_id")
    search_text = ("target_name", "actor", "error_code", "request_id")
    search_help_text = "The id of an operation, target, account or batch; or a part of a name, actor, error code or request id."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("kind", "shown_state", "shown_progress"),
                    "message",
                    ("target_type", "target_name"),
                    ("target_id", "account_id"),
                    "actor",
                )
            },
        ),
        ("Steps", {"fields": ("steps_table",)}),
        (
            "Trouble",
            {
                "fields": (
                    "error_code",
                    "error_message",
                    "operator_detail",
                    ("troubled_since", "error_retryable"),
                    ("undoing", "cancel_requested"),
                )
            },
        ),
        ("Placement", {"fields": ("placement_table",)}),
        (
            "Who works on it",
            {"fields": (("attempt", "fence"), ("lease_owner", "lease_until"), ("not_before", "woken_at"), "queue", "lanes")},
        ),
        ("When", {"fields": (("created_at", "started_at", "finished_at"), ("request_id", "batch_id"))}),
        ("What was asked and what came out", {"fields": ("shown_params", "shown_result")}),
    )
    readonly_fields = ("shown_state", "shown_progress", "steps_table", "placement_table", "shown_params", "shown_result", "took")
    verbs: ClassVar = (
        Verb("retry", "Try again", _retry, lambda row: row.state == OperationState.NEEDS_ATTENTION),
        Verb("cancel", "Cancel", _cancel, _cancellable, danger=True),
    )

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Operation) -> SafeString:
        """Running is busy here, not good."""
        return format_html('<span class="state busy">{}</span>', row.state) if row.state == "running" else badge(row.state)

    @admin.display(description="progress")
    def shown_progress(self, row: Operation) -> SafeString:
        """A bar."""
        return format_html('<progress value="{}" max="100">{} %</progress>', row.progress, row.progress)

    @admin.display(description="took")
    def took(self, row: Operation) -> str:
        """From asking to ending."""
        return f"{(row.finished_at - row.created_at).total_seconds():.1f} s" if row.finished_at else ""

    @admin.display(description="")
    def steps_table(self, row: Operation) -> SafeString:
        """The journal, with what operators may read."""
        return SafeString(render_to_string("admin/operations/steps.html", {"steps": row.steps, "operation": row}))

    @admin.display(description="")
    def placement_table(self, row: Operation) -> SafeString:
        """Which mask removed how many hosts, what was short, and the best candidates with their scores."""
        shown = (row.placement or {}).get("operator")
        return SafeString(render_to_string("admin/operations/placement.html", {"placement": shown}))

    @admin.display(description="parameters")
    def shown_params(self, row: Operation) -> SafeString:
        """As JSON."""
        return pretty(row.params)

    @admin.display(description="result")
    def shown_result(self, row: Operation) -> SafeString:
        """As JSON."""
        return pretty(row.result)


@admin.register(Lane)
class LaneAdmin(ConsoleAdmin):
    """Limits on what runs at once; an empty limit is its scope's default."""

    list_display = ("name", "limit", "allowed")
    search_exact = ("name",)
    editable = ("limit",)
