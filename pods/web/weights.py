"""The console's page about the weights of score terms: all of them, those that nobody changed too."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from accounts.console import operator_of
from mcp.errors import FieldError, InvalidInput
from mcp.web.console import ConsoleAdmin
from pods.models import PlacementWeight
from pods.placement.scores import TERMS
from pods.services.weights import described_weights, set_weights


class WeightAdmin(ConsoleAdmin):
    """One form with every term instead of a list of rows."""

    list_display = ("term", "weight", "changed_at")
    search_exact = ("term",)

    @admin.display(description="meaning")
    def meaning(self, row: PlacementWeight) -> SafeString | str:
        """What the term rewards."""
        return TERMS.get(row.term, "")

    readonly_fields = ("meaning",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """GET shows the weights; POST sets those that differ, an empty field going back to the default."""
        operator = operator_of(request)
        lines = described_weights()
        faults: dict[str, str] = {}
        if request.method == "POST":
            try:
                changes = _changes(lines, request.POST)
                if changes:
                    set_weights(actor=operator, weights=changes)
            except InvalidInput as error:
                faults = {fault.field: fault.message for fault in error.errors}
                self.message_user(request, f"{error.title}: {error.detail}", messages.ERROR)
            else:
                self.message_user(request, "The weights are set." if changes else "Nothing differs.", messages.SUCCESS)
                return HttpResponseRedirect(request.path)
        typed = request.POST if faults else {}
        lines = [{**line, "typed": typed.get(line["term"]), "fault": faults.get(line["term"], "")} for line in lines]
        context = {**self.admin_site.each_context(request), "title": "Weights of placement", "lines": lines, "opts": self.opts}
        return TemplateResponse(request, "admin/pods/weights.html", context, status=400 if faults else 200)


def _changes(lines: list[dict[str, Any]], typed: QueryDict) -> dict[str, float | None]:
    """What differs from what is in force. Raises InvalidInput naming each term whose text is no number."""
    changes: dict[str, float | None] = {}
    faults: list[FieldError] = []
    for line in lines:
        text = typed.get(line["term"], "").strip()
        try:
            weight = float(text) if text else None
        except ValueError:
            faults.append(FieldError(line["term"], "malformed", f"{text[:40]!r} is no number."))
            continue
        if (weight is None and line["changed"]) or (weight is not None and weight != line["weight"]):
            changes[line["term"]] = weight
    if faults:
        raise InvalidInput("; ".join(f"{fault.field}: {fault.message}" for fault in faults), errors=faults)
    return changes
