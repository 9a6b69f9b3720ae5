"""Pages of operations: the list, one of them live, cancel and retry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accelerators.web.find import find_operation
from accelerators.web.present import fingerprint, next_step_of, placement_for_customer, shown_operation
from accounts.actor import Actor
from accounts.services.cancel_operation import cancel_operation
from accounts.services.retry_operation import retry_operation
from accounts.web.actor import in_account, person_of
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from mcp.web.paging import newest_first

PAGE_SIZE = 25


@require_safe
@in_account
def operations(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What was asked lately and how it went."""
    actor.demand("operations.read")
    rows = Operation.objects.filter(account_id=actor.demand_account().pk)
    state = request.GET.get("state", "")
    if state in OperationState.values:
        rows = rows.filter(state=state)
    page = newest_first(rows, request.GET.get("cursor", ""), PAGE_SIZE)
    context = {"page": page, "state": state, "states": list(OperationState)}
    return render(request, "accelerators/operations.html", context)


@require_safe
@in_account
def operation(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponse:
    """One, with its steps; for htmx the live part only, 204 when nothing changed."""
    row = find_operation(actor, operation_id)
    context = _context(request, actor, row)
    if not request.headers.get("HX-Request"):
        return render(request, "accelerators/operation.html", context)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return render(request, "accelerators/_operation.html", context)


def _context(request: HttpRequest, actor: Actor, row: Operation) -> dict[str, Any]:
    staff = person_of(request).is_staff
    shown = shown_operation(row, actor, staff=staff)
    seen = fingerprint(row.state, row.journal, row.message, row.cancel_requested, row.progress)
    return {
        "shown": shown, "row": row, "seen": seen, "staff": staff, "next_step": next_step_of(row),
        "placement": placement_for_customer(row), "status": shown.sentence,
    }  # fmt: skip


@require_POST
@in_account
def cancel(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponse:
    """Ask it to stop."""
    row = find_operation(actor, operation_id)
    cancel_operation(actor=actor, operation_id=row.pk)
    messages.success(request, "Asked to stop; it turns back at its next step.")
    return redirect("operation", operation_id)


@require_POST
@in_account
def retry(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponse:
    """Have it tried again."""
    row = find_operation(actor, operation_id)
    retry_operation(actor=actor, operation_id=row.pk)
    messages.success(request, "It will be tried again at once.")
    return redirect("operation", operation_id)
