"""The page that makes accelerators."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accelerators.services.ask import keeping_refusals
from accelerators.services.create import create_accelerators
from accelerators.web.forms import PLACEMENT, CreateForm, image_choices
from accelerators.web.quote import FIELDS, notice_words, quote_for
from accelerators.web.refused import Refused, refilled, refused_for
from accounts.actor import Actor
from accounts.models import SshKey
from accounts.services.ssh_keys import add_ssh_key, parse_public_key
from accounts.web.actor import in_account, person_of
from accounts.web.forms import show_error
from mcp.errors import ControlPlaneError
from mcp.web.once import once


@require_http_methods(["GET", "POST"])
@in_account
def create(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form; POST makes them, or (the button "price") only shows the price."""
    actor.demand("accelerators.write")
    account = actor.demand_account()
    if request.method == "GET":
        return _show(request, actor, CreateForm(initial=_initial(request, actor), account=account))
    form = CreateForm(request.POST, account=account)
    if "price" in request.POST:
        return _show(request, actor, CreateForm(initial=_sent(request), account=account))
    if "refill" in request.POST:
        return _show(request, actor, CreateForm(initial=_sent(request) | refilled(request.POST["refill"]), account=account))
    refused: Refused | None = None
    if form.is_valid():
        wish = form.wish()
        try:
            with keeping_refusals(actor=actor, wish=wish):
                return _make_once(request, actor, form)
        except ControlPlaneError as error:
            show_error(form, error)
            refused = refused_for(account, wish, error)
    return _show(request, actor, form, status=400, refused=refused)


def _make_once(request: HttpRequest, actor: Actor, form: CreateForm) -> HttpResponse:
    """Make them unless this form was sent before, and go where they are."""
    url, fresh = once(
        token=form.cleaned_data["token"], user_id=person_of(request).pk, account_id=actor.demand_account().pk,
        effect=lambda: _make(actor, form),
    )  # fmt: skip
    if not fresh:
        messages.info(request, "This form was sent already; here is what it made. Nothing was made twice.")
    return redirect(url)


@require_POST
@in_account
def quote(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The price panel alone, for htmx."""
    actor.demand("accelerators.write")
    context = {"quote": quote_for(actor, request.POST.dict()), "notice": notice_words()}
    return render(request, "accelerators/_quote.html", context)


def _make(actor: Actor, form: CreateForm) -> str:
    """Make them; answers where to look at them."""
    extra = _keep_key(actor, form.cleaned_data["new_key"])
    created = create_accelerators(actor=actor, wish=form.wish(extra_key=extra))
    if len(created.accelerators) == 1:
        return reverse("accelerator", args=[created.accelerators[0].pk])
    return reverse("accelerators")


def _keep_key(actor: Actor, text: str) -> str:
    """The text of a pasted key, kept in the account unless it is there already. Raises InvalidInput on `new_key`."""
    if not text.strip():
        return ""
    parsed = parse_public_key(text, field="new_key")
    if not SshKey.objects.filter(account=actor.account, fingerprint=parsed.fingerprint).exists():
        add_ssh_key(actor=actor, public_key=text)
    return parsed.text


def _initial(request: HttpRequest, actor: Actor) -> dict[str, object]:
    """The cheapest plan, every key of the account, and what the address asks for."""
    form = CreateForm(account=actor.demand_account())
    images = [value for value, _ in image_choices()]
    return {
        "token": uuid4(), "count": 1, "ssh_keys": [str(key.pk) for key in form.keys],
        "plan": request.GET.get("plan") or (form.plans[0].slug if form.plans else ""),
        "image": request.GET.get("image") or (images[0] if images else ""), "pod": request.GET.get("pod", ""),
        **{name: request.GET[name] for name in PLACEMENT if name in request.GET},
    }  # fmt: skip


def _sent(request: HttpRequest) -> dict[str, object]:
    """What was typed so far, to be shown again without complaints about what is still missing."""
    values: dict[str, object] = {name: request.POST[name] for name in request.POST if name != "ssh_keys"}
    return values | {"ssh_keys": request.POST.getlist("ssh_keys")}


def _show(
    request: HttpRequest, actor: Actor, form: CreateForm, status: int = 200, refused: Refused | None = None
) -> HttpResponse:
    values = {name: str(form[name].value() or "") for name in FIELDS}
    context = {
        "form": form, "quote": quote_for(actor, values), "chosen_plan": values["plan"], "notice": notice_words(),
        "preemptible_offered": any(plan.preemptible for plan in form.plans), "refused": refused,
    }  # fmt: skip
    return render(request, "accelerators/create.html", context, status=status)
