"""The page of limits with their use."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.actor import Actor
from accounts.services.limits import limits_with_use
from accounts.web.actor import in_account


@require_safe
@in_account
def limits(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Bars: used of limit."""
    actor.demand("limits.read")
    return render(request, "accounts/limits.html", {"rows": limits_with_use(actor.demand_account())})
