"""Buttons: start, stop, restart, delete, restore; and the edits that need no machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accelerators.models import Accelerator
from accelerators.services import delete as deletion
from accelerators.services import power
from accelerators.services.edit import Edit, edit_accelerator
from accelerators.states import State
from accelerators.web.accelerator import panel_answer
from accelerators.web.find import find_accelerator
from accelerators.web.forms import EditForm, tags_text
from accelerators.web.present import addresses_of
from accounts.actor import Actor
from accounts.web.actor import in_account
from accounts.web.forms import show_error
from mcp.errors import ControlPlaneError, PreconditionFailed
from mcp.operations.models import Operation

Verb = Callable[..., tuple[Accelerator, Operation]]
VERBS: dict[str, Verb] = {
    "start": power.start, "stop": power.stop, "restart": power.restart, "restore": deletion.undelete,
}  # fmt: skip


@require_POST
@in_account
def act(request: HttpRequest, actor: Actor, accelerator_id: UUID, verb: str) -> HttpResponse:
    """One of VERBS; answers the live part for htmx, else goes back to the page."""
    if verb not in VERBS:
        raise Http404
    VERBS[verb](actor=actor, accelerator_id=accelerator_id)
    if request.headers.get("HX-Request"):
        return panel_answer(request, actor, find_accelerator(actor, accelerator_id))
    return redirect("accelerator", accelerator_id)


@require_http_methods(["GET", "POST"])
@in_account
def delete(request: HttpRequest, actor: Actor, accelerator_id: UUID) -> HttpResponse:
    """GET says what would be lost; POST deletes, into the trash unless `now` is sent."""
    row = find_accelerator(actor, accelerator_id)
    actor.demand("accelerators.write")
    if request.method == "GET":
        context = {
            "row": row, "addresses": addresses_of([row.pk]).get(row.pk, []), "trash_days": f"{settings.TRASH_DAYS:g}",
            "until": timezone.now() + timedelta(days=settings.TRASH_DAYS),
            "for_good": row.state in deletion.NOTHING_TO_KEEP, "gone": row.state == State.DELETED,
        }  # fmt: skip
        return render(request, "accelerators/delete.html", context)
    deletion.delete(actor=actor, accelerator_id=row.pk, now="now" in request.POST)
    return redirect("accelerator", accelerator_id)


@require_POST
@in_account
def protect(request: HttpRequest, actor: Actor, accelerator_id: UUID) -> HttpResponse:
    """The switch: `protected` is on or off."""
    wanted = request.POST.get("protected") == "on"
    row = edit_accelerator(actor=actor, accelerator_id=accelerator_id, edit=Edit(protected=wanted))
    messages.success(request, f"{row.name} is {'now' if wanted else 'no longer'} protected against deletion.")
    return redirect("accelerator", accelerator_id)


@require_http_methods(["GET", "POST"])
@in_account
def edit(request: HttpRequest, actor: Actor, accelerator_id: UUID) -> HttpResponse:
    """Name, tags, protection."""
    row = find_accelerator(actor, accelerator_id)
    actor.demand("accelerators.write")
    if request.method == "GET":
        return render(request, "accelerators/edit.html", {"row": row, "form": EditForm(initial=_present(row))})
    form = EditForm(request.POST)
    if form.is_valid():
        try:
            _apply(actor, row, form)
        except PreconditionFailed:
            form = _shown_again(request, row)
            form.add_error(None, "It has changed since you opened this page; look it over and save again.")
        except ControlPlaneError as error:
            show_error(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("accelerator", row.pk)
    return render(request, "accelerators/edit.html", {"row": row, "form": form}, status=400)


def _apply(actor: Actor, row: Accelerator, form: EditForm) -> None:
    data = form.cleaned_data
    wanted = Edit(name=data["name"], tags=data["tags"], protected=data["protected"])
    edit_accelerator(actor=actor, accelerator_id=row.pk, edit=wanted, revision=data["revision"])


def _present(row: Accelerator) -> dict[str, Any]:
    tags = tags_text(list(row.tag_rows.order_by("key").values_list("key", "value")))
    return {"name": row.name, "tags": tags, "protected": row.protected, "revision": row.revision}


def _shown_again(request: HttpRequest, row: Accelerator) -> EditForm:
    """What was typed, on the present revision."""
    values = request.POST.copy()
    values["revision"] = str(row.revision)
    form = EditForm(values)
    form.is_valid()
    return form
