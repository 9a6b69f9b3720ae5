"""The page of one accelerator, its live part, and its timeline."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accelerators.models import Accelerator
from accelerators.states import State
from accelerators.web.find import find_accelerator, latest_operation
from accelerators.web.present import (
    addresses_of,
    fingerprint,
    next_step_of,
    power_of,
    settled,
    shown_operation,
    verbs_for,
)
from accounts.actor import Actor
from accounts.web.actor import in_account, person_of
from mcp.events.models import Event
from mcp.web.paging import Page, highest_first
from pods.services.windows import windows_over

EVENTS = 15


@require_safe
@in_account
def accelerator(request: HttpRequest, actor: Actor, accelerator_id: UUID) -> HttpResponse:
    """Everything about one; 410 with its last known form once it is deleted."""
    row = find_accelerator(actor, accelerator_id)
    if row.state == State.DELETED:
        context = {"row": row, "page": _events(row, "")}
        return render(request, "accelerators/gone.html", context, status=410)
    context = panel_context(request, actor, row) | {
        "addresses": addresses_of([row.pk]).get(row.pk, []),
        "tags": list(row.tag_rows.order_by("key").values_list("key", "value")),
        "page": _events(row, ""),
        "key_count": len(row.ssh_keys),
        "windows": windows_over(row.host_id, row.pod_id),
    }
    return render(request, "accelerators/accelerator.html", context)


@require_safe
@in_account
def panel(request: HttpRequest, actor: Actor, accelerator_id: UUID) -> HttpResponse:
    """State, buttons and the running operation; 204 when nothing changed since what the caller has."""
    return panel_answer(request, actor, find_accelerator(actor, accelerator_id))


def panel_answer(request: HttpRequest, actor: Actor, row: Accelerator) -> HttpResponse:
    """The live part; it asks to be polled again until it has settled, then tells the rest of the page once."""
    context = panel_context(request, actor, row)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    response = render(request, "accelerators/_panel.html", context)
    response["HX-Trigger-After-Settle"] = "timeline-changed"
    return response


def panel_context(request: HttpRequest, actor: Actor, row: Accelerator) -> dict[str, Any]:
    """What the live part shows."""
    latest = latest_operation(row)
    staff = person_of(request).is_staff
    shown = shown_operation(latest, actor, staff=staff) if latest else None
    # A long-settled operation is history: the timeline has it.
    current = shown if shown is not None and (shown.live or latest is None or not settled(row) or latest.error_code) else None
    live = not settled(row) or (shown is not None and shown.live)
    verbs = verbs_for(row, actor)
    seen = fingerprint(
        row.revision, row.state, row.power_observed, row.protected, power_of(row), latest and latest.pk, latest and latest.state,
        latest and latest.journal, latest and latest.message, latest and latest.cancel_requested,
    )  # fmt: skip
    return {
        "row": row, "shown": current, "live": live, "verbs": verbs, "seen": seen, "power": power_of(row), "actor": actor,
        "next_step": next_step_of(latest) if latest else "", "status": shown.sentence if shown and live else "",
    }  # fmt: skip


@require_safe
@in_account
def timeline(request: HttpRequest, actor: Actor, accelerator_id: UUID) -> HttpResponse:
    """Events, newest first. For htmx only the list (or, with a cursor, its continuation)."""
    actor.demand("events.read")
    row = find_accelerator(actor, accelerator_id)
    cursor = request.GET.get("cursor", "")
    context = {"row": row, "page": _events(row, cursor)}
    if request.headers.get("HX-Request"):
        return render(request, "accelerators/_events.html" if cursor else "accelerators/_timeline.html", context)
    return render(request, "accelerators/timeline.html", context)


def _events(row: Accelerator, cursor: str) -> Page[Event]:
    return highest_first(Event.objects.filter(target_id=row.pk, account_id=row.account_id), cursor, EVENTS)
