"""The console's pages about plans, accelerators and drift."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Field
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accelerators.models import Accelerator, Plan
from accelerators.services.drift import adopt, ignore, restore
from accelerators.services.edit_plan import EDITABLE
from accounts.console import operator_of
from mcp.web.console import ConsoleAdmin, Verb, badge, pretty
from mcp.web.templatetags.portal import ago
from pods.models import Address, DriftFinding
from pods.states import FindingKind, FindingState
from pods.web.fields import form_field


@admin.register(Plan)
class PlanAdmin(ConsoleAdmin):
    """Plans. What was sold keeps its numbers; a plan that is not active is offered no more."""

    list_display = (
        "slug",
        "name",
        "kind",
        "memory_mib",
        "vcpus",
        "disk_gib",
        "price_monthly",
        "price_yearly",
        "currency",
        "preemptible",
        "active",
    )
    list_filter = ("active", "preemptible", "kind")
    search_ids = ("pk",)
    search_text = ("slug", "name")
    sortable_by: ClassVar[tuple[str, ...] | None] = None  # few rows
    may_add = True
    editable = EDITABLE
    fields = (
        "slug", "name", "kind", "memory_mib", "vcpus", "disk_gib", "processes", "price_hourly", "price_monthly", "price_yearly",
        "currency", "preemptible", "comes_back", "active", "position", "required_traits", "forbidden_traits", "created_at",
    )  # fmt: skip
    readonly_fields = ("created_at",)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Traits as words."""
        return form_field(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(Accelerator)
class AcceleratorAdmin(ConsoleAdmin):
    """Read only: customers and operations change them."""

    list_display = ("name", "account", "shown_state", "power", "plan", "pod", "host", "created_at")
    list_filter = ("state", "power_observed", "pod")
    list_select_related = ("account", "plan", "pod", "host")
    ordering = ("-created_at", "-id")
    search_ids = ("pk", "account_id", "host_id")
    search_exact = ("account__slug",)
    search_prefix = ("name",)
    search_text = ("name",)
    search_help_text = (
        "The id of an accelerator, account or host; an account's slug; the beginning of a name, or a part of a new one's."
    )
    fieldsets = (
        (None, {"fields": ("name", "account", "shown_state", "power", "shown_addresses", "links", "created_at")}),
        ("Preemption", {"fields": ("preemptible", ("preempt_at", "preempt_reason"), "preempted_at")}),
        (
            "What it is",
            {
                "fields": (
                    ("kind", "plan", "image"),
                    ("pod", "host"),
                    ("memory_mib", "cpu_m"),
                    ("disk_gib", "processes"),
                    "uid_slot",
                )
            },
        ),
        (
            "What the customer said",
            {"fields": ("shown_tags", "metadata", "protected", "group", "spread", "ssh_keys", "first_boot_exit")},
        ),
        ("Trouble", {"fields": ("failure_code", "failure_message", "missing_since")}),
        ("Clocks", {"fields": (("observed_at", "settled_at"), ("trash_until", "deleted_at"), "revision", "last_known")}),
    )
    readonly_fields = ("shown_state", "power", "shown_addresses", "shown_tags", "links")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Links from a host's page."""
        return lookup in ("host__id__exact", "account__id__exact") or super().lookup_allowed(lookup, value, request)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Accelerator) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)

    @admin.display(description="power wanted / observed")
    def power(self, row: Accelerator) -> str:
        """And how fresh."""
        return f"{row.power_wanted} / {row.power_observed}" + (f", {ago(row.observed_at)}" if row.observed_at else "")

    @admin.display(description="addresses")
    def shown_addresses(self, row: Accelerator) -> str:
        """Its own."""
        return ", ".join(str(ip) for ip in Address.objects.filter(holder_id=row.pk).values_list("ip", flat=True)) or "none"

    @admin.display(description="tags")
    def shown_tags(self, row: Accelerator) -> str:
        """As key=value."""
        return ", ".join(f"{key}={value}" for key, value in row.tag_rows.values_list("key", "value")) or "none"

    @admin.display(description="see")
    def links(self, row: Accelerator) -> SafeString:
        """To everything about it."""
        places = (("operations/operation", "operations"), ("events/event", "events"), ("events/auditentry", "audit"))
        return format_html_join(" · ", '<a href="/admin/{}/?q={}">{}</a>', ((place, row.pk, words) for place, words in places))


def _adopt(request: HttpRequest, row: DriftFinding) -> str:
    adopt(actor=operator_of(request), finding_id=row.pk)
    return f"Adopted what was found: {row.sentence}"


def _restore(request: HttpRequest, row: DriftFinding) -> str:
    found = restore(actor=operator_of(request), finding_id=row.pk)
    return f"Being restored by operation {found.operation_id}: {row.sentence}"


def _ignore(request: HttpRequest, row: DriftFinding) -> str:
    ignore(actor=operator_of(request), finding_id=row.pk)
    return f"Ignored from now on: {row.sentence}"


def _undecided(row: Any) -> bool:
    return row.state in (FindingState.OPEN, FindingState.IGNORED)


@admin.register(DriftFinding)
class DriftAdmin(ConsoleAdmin):
    """Differences between what is wanted and what a host shows; open ones wait for a decision."""

    list_display = ("sentence", "kind", "shown_state", "host", "target_name", "times_seen", "last_seen_at")
    list_filter = ("state", "kind")
    list_select_related = ("host",)
    ordering = ("-last_seen_at", "-id")
    search_ids = ("pk", "target_id", "account_id", "host_id")
    search_text = ("sentence", "guest_name", "target_name")
    fieldsets = (
        (None, {"fields": ("sentence", "kind", "shown_state", "host", "guest_name", "target")}),
        ("Wanted and found", {"fields": ("side_by_side",)}),
        ("When", {"fields": ("first_seen_at", "last_seen_at", "times_seen")}),
        ("Decision", {"fields": ("decided_at", "decided_by", "decision_operation")}),
    )
    readonly_fields = ("shown_state", "side_by_side", "target", "decision_operation")
    verbs = (
        Verb(
            "adopt",
            "Adopt what was found",
            _adopt,
            lambda row: _undecided(row) and row.kind in (FindingKind.POWER, FindingKind.MISSING),
        ),
        Verb("restore", "Restore what is wanted", _restore, lambda row: _undecided(row) and row.target_id is not None),
        Verb("ignore", "Ignore", _ignore, lambda row: row.state == FindingState.OPEN),
    )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Links from a host's page."""
        return lookup == "host__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: DriftFinding) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)

    @admin.display(description="")
    def side_by_side(self, row: DriftFinding) -> SafeString:
        """One line a value, different ones marked."""
        names = sorted({*row.wanted, *row.found})
        lines = [(name, row.wanted.get(name), row.found.get(name), row.wanted.get(name) != row.found.get(name)) for name in names]
        return SafeString(render_to_string("admin/pods/side_by_side.html", {"lines": lines, "row": row})) if lines else pretty({})

    @admin.display(description="accelerator")
    def target(self, row: DriftFinding) -> SafeString | str:
        """A link, where it is ours."""
        if row.target_id is None:
            return "none of ours"
        return format_html('<a href="/admin/accelerators/accelerator/{}/change/">{}</a>', row.target_id, row.target_name)

    @admin.display(description="operation")
    def decision_operation(self, row: DriftFinding) -> SafeString | str:
        """What the decision started."""
        if row.operation_id is None:
            return "none"
        return format_html('<a href="/admin/operations/operation/{0}/change/">{0}</a>', row.operation_id)
