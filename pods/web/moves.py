"""The console's pages that show a plan of moves before it is begun: evacuate a host, rebalance a pod."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.console import operator_of
from accounts.web.forms import show_error
from mcp.errors import ControlPlaneError
from pods.admin_moves import with_bars
from pods.models import Host, MoveRun, Pod
from pods.services.evacuate import evacuate
from pods.services.move_runs import MOST_AT_ONCE
from pods.services.move_words import present_run, runs
from pods.services.rebalance import MINIMUM_GAIN, rebalance

Service = Callable[[dict[str, Any]], MoveRun]


class EvacuationForm(forms.Form):
    """How to empty a host. It parses; the service decides."""

    parallel = forms.IntegerField(label="Moves at once", initial=2, min_value=1, max_value=MOST_AT_ONCE)
    reason = forms.CharField(label="Reason", required=False, max_length=200, help_text="For whoever looks next.")


class RebalanceForm(EvacuationForm):
    """How even a pod is to become."""

    minimum_gain = forms.FloatField(
        label="Minimum gain", initial=MINIMUM_GAIN, min_value=0.001, max_value=1,
        help_text="0.05: each move brings two hosts five percentage points nearer, or is not made.",
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
def evacuate_host(request: HttpRequest, host_id: UUID) -> HttpResponse:
    """GET shows the plan, POST begins it."""
    host = get_object_or_404(Host.objects.select_related("pod"), pk=host_id)
    context = {"title": f"Evacuate {host}", "back": reverse("admin:pods_host_change", args=[host.pk]), "noun": f"host {host}"}
    return _page(request, EvacuationForm, context, lambda fields: evacuate(actor=operator_of(request), host=host, **fields))


@require_http_methods(["GET", "POST"])
def rebalance_pod(request: HttpRequest, pod_id: UUID) -> HttpResponse:
    """GET shows the plan, POST begins it."""
    pod = get_object_or_404(Pod, pk=pod_id)
    context = {"title": f"Rebalance {pod}", "back": reverse("admin:pods_pod_change", args=[pod.pk]), "noun": f"pod {pod}"}
    return _page(request, RebalanceForm, context, lambda fields: rebalance(actor=operator_of(request), pod=pod, **fields))


def _page(request: HttpRequest, kind: type[EvacuationForm], context: dict[str, Any], service: Service) -> HttpResponse:
    """The plan is what the service writes, read and then rolled back: what is begun is what was shown."""
    initial = {name: field.initial for name, field in kind.base_fields.items()}
    form = kind(request.POST if request.method == "POST" else {**initial, **request.GET.dict()})
    run = None
    if form.is_valid():
        try:
            if request.method == "POST":
                begun = service(form.cleaned_data)
                messages.success(request, f"The {begun} has begun.")
                return HttpResponseRedirect(reverse("admin:pods_moverun_change", args=[begun.pk]))
            run = _rehearsed(lambda: service(form.cleaned_data))
        except ControlPlaneError as error:
            show_error(form, error)
    shown = with_bars(run) if run else None
    whole = {**admin.site.each_context(request), **context, "form": form, "run": shown}
    return render(request, "admin/pods/plan_moves.html", whole)


def _rehearsed(service: Callable[[], MoveRun]) -> dict[str, Any]:
    with transaction.atomic():
        shown = present_run(runs().get(pk=service().pk))
        transaction.set_rollback(True)
    return shown
