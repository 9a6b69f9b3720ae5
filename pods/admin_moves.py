"""The console's pages about runs of moves and maintenance windows. Importing it registers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.actor import Actor
from accounts.console import operator_of
from mcp.web.console import ConsoleAdmin, Verb, badge
from pods.models import MaintenanceWindow, Move, MoveRun
from pods.services.move_words import present_run, runs
from pods.services.steer_moves import abort_moves, pause_moves, resume_moves
from pods.services.windows import cancel_window, plan_window
from pods.states import RUN_TRANSITIONS, HostDuty, MoveRunState


def _steer(service: Callable[..., MoveRun], words: str) -> Callable[[HttpRequest, Any], str]:
    def run(request: HttpRequest, row: MoveRun) -> str:
        service(actor=operator_of(request), run=row)
        return f"The {row} {words}"

    return run


def _may(state: MoveRunState) -> Callable[[Any], bool]:
    return lambda row: state in RUN_TRANSITIONS[row.state]


def with_bars(run: dict[str, Any]) -> dict[str, Any]:
    """The picture as the template draws it: before and after, a pair a dimension."""
    picture = [{"host": one["host"], "bars": [one["cpu"], one["memory"], one["disk"]]} for one in run["picture"]]
    return {**run, "picture": picture}


@admin.register(MoveRun)
class MoveRunAdmin(ConsoleAdmin):
    """Runs of moves. They begin on a host's or a pod's page, where the plan is shown first."""

    list_display = ("__str__", "shown_state", "parallel", "reason", "actor", "created_at", "finished_at")
    list_filter = ("state", "purpose", "pod")
    list_select_related = ("host", "pod")
    ordering = ("-created_at", "-id")
    search_ids = ("pk", "host_id", "pod_id")
    search_text = ("reason", "actor")
    fieldsets = (
        (None, {"fields": ("purpose", ("pod", "host"), "shown_state", ("parallel", "minimum_gain"), "reason", "actor")}),
        ("How far it is", {"fields": ("guests",)}),
        ("When", {"fields": ("created_at", "finished_at")}),
    )
    readonly_fields = ("shown_state", "guests")
    verbs = (
        Verb("pause", "Pause", _steer(pause_moves, "begins no more moves."), _may(MoveRunState.PAUSED)),
        Verb("resume", "Resume", _steer(resume_moves, "goes on."), lambda row: row.state == MoveRunState.PAUSED),
        Verb("abort", "Abort", _steer(abort_moves, "is aborted."), _may(MoveRunState.ABORTING), danger=True),
    )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Links from a host's page."""
        return lookup == "host__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: MoveRun) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)

    @admin.display(description="")
    def guests(self, row: MoveRun) -> SafeString:
        """The plan as a table with its picture, and how far each guest is."""
        shown = with_bars(present_run(runs().get(pk=row.pk)))
        return SafeString(render_to_string("admin/pods/moves.html", {"run": shown}))


@admin.register(Move)
class MoveAdmin(ConsoleAdmin):
    """One guest of a run; to look for a guest by its id."""

    list_display = ("holder_name", "run", "source", "target", "shown_state", "started_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("run__host", "run__pod", "source", "target")
    ordering = ("-run_id", "position")
    search_ids = ("pk", "holder_id", "run_id", "operation_id")

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Move) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)


def _cancel(request: HttpRequest, row: MaintenanceWindow) -> str:
    cancel_window(actor=operator_of(request), window=row)
    return f"The window of {row} is cancelled, and those who have something there are told."


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ConsoleAdmin):
    """Maintenance windows: for a host, or for a whole pod where no host is chosen. Customers read the reason."""

    list_display = ("__str__", "pod", "host", "starts_at", "ends_at", "duty", "shown_state", "reason")
    list_filter = ("state", "pod")
    list_select_related = ("host", "pod")
    ordering = ("-starts_at", "-id")
    search_ids = ("pk", "host_id", "pod_id")
    search_text = ("reason",)
    may_add = True
    fields = ("pod", "host", "starts_at", "ends_at", "duty", "reason", "shown_state", "actor", "created_at", "finished_at")
    readonly_fields = ("shown_state", "actor", "created_at", "finished_at")
    verbs = (Verb("cancel", "Cancel", _cancel, lambda row: row.live, danger=True),)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: MaintenanceWindow) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the service, which announces it. Nothing of a window is edited afterwards."""
        actor: Actor = operator_of(request)
        row = plan_window(
            actor=actor, place=obj.host or obj.pod, starts_at=obj.starts_at, ends_at=obj.ends_at, reason=obj.reason,
            duty=HostDuty(obj.duty),
        )  # fmt: skip
        obj.pk = row.pk
