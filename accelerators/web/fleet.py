"""The list of accelerators: search, filter, pages by key, the sum of what they cost; and the trash."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accelerators.models import Accelerator, Tag
from accelerators.states import State
from accelerators.web.present import fingerprint, lines_of
from accounts.actor import Actor
from accounts.models import Account
from accounts.web.actor import in_account
from mcp.web.paging import newest_first

PAGE_SIZE = 25
HIDDEN = (State.DELETED, State.TRASHED)
FILTERS = [state for state in State if state not in HIDDEN]


@require_safe
@in_account
def fleet(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What the account has."""
    actor.demand("accelerators.read")
    mine = Accelerator.objects.filter(account=actor.demand_account()).exclude(state__in=HIDDEN)
    query, state = request.GET.get("q", "").strip()[:120], request.GET.get("state", "")
    rows = (
        _filtered(mine, actor.demand_account(), query, state).select_related("plan", "image", "pod").prefetch_related("tag_rows")
    )
    context = _listing(request, rows) | _sums(mine) | {
        "query": query, "state": state, "states": FILTERS, "may_write": actor.may("accelerators.write"),
        "filtered": bool(query or state), "carried": urlencode({"q": query, "state": state}),
    }  # fmt: skip
    return _answer(request, "accelerators/list.html", context)


@require_safe
@in_account
def trash(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What is deleted but can still come back."""
    actor.demand("accelerators.read")
    mine = Accelerator.objects.filter(account=actor.demand_account())
    rows = mine.filter(state=State.TRASHED).select_related("plan", "image", "pod").prefetch_related("tag_rows")
    context = _listing(request, rows) | {"may_write": actor.may("accelerators.write")}
    return _answer(request, "accelerators/trash.html", context)


def _filtered(rows: QuerySet[Accelerator], account: Account, query: str, state: str) -> QuerySet[Accelerator]:
    """Tags are looked for among the account's only: the same word may stand on half of all others' accelerators."""
    if state in FILTERS:
        rows = rows.filter(state=state)
    if query:
        key, equals, value = query.partition("=")
        own = Tag.objects.filter(accelerator__account=account)
        tags = own.filter(key=key.strip(), value=value.strip()) if equals else own.filter(key=query)
        rows = rows.filter(Q(name__icontains=query) | Q(pk__in=tags.values("accelerator_id")))
    return rows


def _listing(request: HttpRequest, rows: QuerySet[Accelerator]) -> dict[str, Any]:
    page = newest_first(rows, request.GET.get("cursor", ""), PAGE_SIZE)
    lines = lines_of(page.rows)
    seen = fingerprint(
        [(line.row.pk, line.row.revision, line.power, line.operation and line.operation.progress) for line in lines]
    )
    return {"page": page, "lines": lines, "live": any(line.passing for line in lines), "seen": seen}


def _sums(rows: QuerySet[Accelerator]) -> dict[str, Any]:
    """What all of them cost a month, and how many there are; one aggregate over the account's rows."""
    kept = rows.exclude(state=State.FAILED)
    sums = kept.values("plan__currency").annotate(monthly=Sum("plan__price_monthly")).order_by("plan__currency")
    totals: list[tuple[Decimal, str]] = [(row["monthly"], row["plan__currency"]) for row in sums]
    return {"totals": totals}


def _answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page; for htmx only the table, or nothing when nothing changed since what the caller has."""
    if not request.headers.get("HX-Request"):
        return render(request, template, context)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return render(request, "accelerators/_table.html", context)
