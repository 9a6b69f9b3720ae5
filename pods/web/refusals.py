"""The console's pages about refused requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mcp.web.console import ConsoleAdmin
from pods.api.refusals import with_slugs
from pods.services.refusals import REFUSED

SPANS: Mapping[str, tuple[str, timedelta]] = {
    "hour": ("the last hour", timedelta(hours=1)),
    "day": ("the last 24 hours", timedelta(hours=24)),
    "week": ("the last 7 days", timedelta(days=7)),
}


class CodeFilter(admin.SimpleListFilter):
    """By code; a closed set, so no query."""

    title = "code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Each code with its title."""
        return [(kind.code, kind.title) for kind in REFUSED]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the code."""
        return queryset.filter(code=self.value()) if self.value() else queryset


class SinceFilter(admin.SimpleListFilter):
    """By age."""

    title = "time"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Spans back from now."""
        return [(name, words) for name, (words, _) in SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those refused since."""
        span = SPANS.get(str(self.value()))
        return queryset.filter(created_at__gte=timezone.now() - span[1]) if span else queryset


class RefusalAdmin(ConsoleAdmin):
    """Requests that found no room: who asked for what, and what was in the way."""

    list_display = ("created_at", "shown_account", "shown_request", "code", "sentence")
    list_filter = (SinceFilter, CodeFilter)
    ordering = ("-created_at", "-id")
    search_ids = ("pk", "account_id")
    search_text = ("sentence", "actor")
    search_help_text = "The id of a refusal or account; or a part of the sentence or of who asked."
    fieldsets = (
        (None, {"fields": ("sentence", "code", "shown_account", "actor", "created_at")}),
        ("What was asked", {"fields": ("asked",)}),
        ("Why there was no room", {"fields": ("explanation",)}),
    )
    readonly_fields = ("shown_account", "shown_request", "asked", "explanation")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the accounts' slugs, in the same query."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return with_slugs(rows)

    @admin.display(description="account")
    def shown_account(self, row: Any) -> SafeString | str:
        """A link to it."""
        if row.account_id is None:
            return "none"
        return format_html(
            '<a href="/admin/accounts/account/{}/change/">{}</a>', row.account_id, row.account_slug or row.account_id
        )

    @admin.display(description="asked for")
    def shown_request(self, row: Any) -> str:
        """How many of which plan, where."""
        asked = row.request
        where = asked.get("pod") or asked.get("location")
        return f"{asked.get('count', 1)} × {asked.get('plan', '?')}" + (f" in {where}" if where else "")

    @admin.display(description="request")
    def asked(self, row: Any) -> SafeString:
        """One line a field that says something."""
        facts = ((name.replace("_", " "), value) for name, value in row.request.items() if value not in ("", None, False))
        return format_html('<dl class="facts">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", facts))

    @admin.display(description="")
    def explanation(self, row: Any) -> SafeString:
        """The table of masks, the picture, the best hosts, the nearest misses."""
        context = {"placement": row.placement.get("operator"), "nothing": "Nothing was explained: no plan was made."}
        return SafeString(render_to_string("admin/operations/placement.html", context))
