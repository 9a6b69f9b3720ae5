"""The console's page of what-if questions. A question is a GET, so that an answer can be bookmarked and sent on."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accelerators.models import Plan
from accelerators.services.whatif import ask_what_if
from accelerators.web.pictures import capacity_bars, runway_line
from accounts.console import operator_of
from accounts.web.forms import show_error
from mcp.errors import ControlPlaneError
from pods.models import Pod
from pods.services.whatif_question import Question

HOSTS = {"autocomplete": "off", "spellcheck": "false", "placeholder": "h1, ams1/h2"}
PODS_SHOWN = 200


class WhatIfForm(forms.Form):
    """The question's fields, by the names that the API gives them. It parses; the service decides."""

    lose_host = forms.CharField(
        label="Lose hosts", required=False, max_length=20_000, widget=forms.TextInput(attrs=HOSTS),
        help_text="Names, with commas. Their guests look for another host of their pod.",
    )  # fmt: skip
    lose_pod = forms.MultipleChoiceField(
        label="Lose pods", required=False, widget=forms.SelectMultiple(attrs={"size": 3}),
        help_text="Their guests may go to any other pod.",
    )  # fmt: skip
    drain = forms.CharField(
        label="Drain hosts", required=False, max_length=20_000, widget=forms.TextInput(attrs=HOSTS),
        help_text="Names, with commas. Their guests stay in their pod.",
    )  # fmt: skip
    add_hosts = forms.IntegerField(label="Add hosts", required=False, min_value=0)
    like = forms.CharField(label="Like host", required=False, max_length=300, widget=forms.TextInput(attrs=HOSTS))
    plan = forms.ChoiceField(label="More of plan", required=False)
    count = forms.IntegerField(label="How many", required=False, min_value=0)
    pod = forms.ChoiceField(label="In pod", required=False)
    location = forms.CharField(label="At location", required=False, max_length=80)
    headroom = forms.MultipleChoiceField(
        label="Tell N+1 of pods", required=False, widget=forms.SelectMultiple(attrs={"size": 3}),
        help_text="Those that the question touches, unless you choose.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        pods = [(slug, slug) for slug in Pod.objects.values_list("slug", flat=True)[:PODS_SHOWN]]
        plans = [(slug, slug) for slug in Plan.objects.filter(active=True).values_list("slug", flat=True)]
        fields: dict[str, Any] = self.fields
        fields["lose_pod"].choices = fields["headroom"].choices = pods
        fields["pod"].choices = [("", "any"), *pods]
        fields["plan"].choices = [("", "none"), *plans]

    def question(self) -> Question:
        """What was asked; only of a form that is valid."""
        told = self.cleaned_data
        split = {name: re.findall(r"[^,\s]+", told[name]) for name in ("lose_host", "drain")}
        numbers = {name: told[name] or 0 for name in ("add_hosts", "count")}
        return Question(**{**told, **split, **numbers})


@require_GET
def what_if(request: HttpRequest) -> HttpResponse:
    """Without parameters: the form, and how things stand."""
    form = WhatIfForm(request.GET)
    answer = None
    if form.is_valid():
        try:
            answer = ask_what_if(actor=operator_of(request), question=form.question())
        except ControlPlaneError as error:
            show_error(form, error)
    context = {**admin.site.each_context(request), "title": "What if", "form": form, "answer": answer, "pods": _drawn(answer)}
    return render(request, "admin/whatif.html", context, status=400 if form.errors else 200)


def _drawn(answer: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Each pod with its pictures; the fullest first where there are many."""
    if answer is None:
        return []
    rows = [{**pod, "bars": capacity_bars(pod), "line": runway_line(pod["runway"])} for pod in answer["pods"]]
    if len(rows) > PODS_SHOWN:
        rows.sort(key=lambda row: -max(bar.used for bar in row["bars"]))
    return rows[:PODS_SHOWN]
