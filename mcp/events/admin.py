"""The console's pages about events and the audit trail."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from mcp.events.models import AuditEntry, Event
from mcp.web.console import ConsoleAdmin, pretty


@admin.register(AuditEntry)
class AuditAdmin(ConsoleAdmin):
    """Who did what; never changed."""

    list_display = ("at", "actor", "action", "target_type", "target_name", "source", "account_id")
    list_display_links = ("at", "action")
    search_ids = ("account_id", "operation_id")
    search_exact = ("target_id", "action", "actor", "request_id")
    search_text = ("actor", "action", "target_id", "target_name", "source", "request_id")
    search_help_text = "The id of an account, operation or target; or a part of an actor, action, name, address or request id."
    ordering = ("-id",)
    fields = (
        "at", "actor", "source", "request_id", "action", "target_type", "target_id", "target_name", "account_id", "operation_id",
        "shown_changes",
    )  # fmt: skip
    readonly_fields = ("shown_changes",)

    @admin.display(description="changes")
    def shown_changes(self, row: AuditEntry) -> SafeString:
        """As JSON."""
        return pretty(row.changes)


@admin.register(Event)
class EventAdmin(ConsoleAdmin):
    """What customers read on their timelines, and what happened to hosts."""

    list_display = ("at", "kind", "target_type", "target_name", "message", "actor")
    list_display_links = ("at", "kind")
    search_ids = ("account_id", "target_id")
    search_text = ("kind", "target_name", "message", "actor")
    ordering = ("-id",)
