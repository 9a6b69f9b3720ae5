"""The page of API keys. A new key is shown on the answer to its form, once, and kept nowhere."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.models import ApiKey
from accounts.services.api_keys import create_api_key, revoke_api_key
from accounts.web.actor import in_account
from accounts.web.forms import ApiKeyForm, show_error
from mcp.errors import ControlPlaneError, NotFound


@require_http_methods(["GET", "POST"])
@in_account
def api_keys(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List live keys; POST makes one and shows it on this answer only."""
    actor.demand("api_keys.read")
    form = ApiKeyForm(request.POST or None, initial={"role": actor.role, "scopes": ["*"]})
    shown = ""
    if request.method == "POST" and form.is_valid():
        shown = _create(actor, form)
        if shown:
            form = ApiKeyForm(initial={"role": actor.role, "scopes": ["*"]})
    rows = ApiKey.objects.filter(account=actor.account, revoked_at__isnull=True).select_related("user")[:200]
    context = {
        "rows": rows, "form": form, "shown": shown, "may_write": actor.may("api_keys.write"), "now": timezone.now(),
    }  # fmt: skip
    return render(request, "accounts/api_keys.html", context, status=400 if form.errors else 200)


def _create(actor: Actor, form: ApiKeyForm) -> str:
    """The new key, or "" with the form telling why not."""
    try:
        _, key = create_api_key(
            actor=actor, name=form.cleaned_data["name"], role=form.cleaned_data["role"],
            scopes=form.cleaned_data["scopes"], expires_at=form.expires_at(),
        )  # fmt: skip
    except ControlPlaneError as error:
        if not actor.may("api_keys.write"):
            raise
        show_error(form, error)
        return ""
    return key


@require_POST
@in_account
def revoke(request: HttpRequest, actor: Actor, key_id: UUID) -> HttpResponse:
    """Make one useless at once."""
    row = ApiKey.objects.filter(account=actor.account, pk=key_id).first()
    if row is None:
        raise NotFound("There is no such API key in this account.")
    revoke_api_key(actor=actor, row=row)
    messages.success(request, f"Revoked {row.name}. Whatever used it is refused from now on.")
    return redirect("api-keys")
