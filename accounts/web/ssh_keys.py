"""The page of SSH keys."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.models import SshKey
from accounts.services.ssh_keys import add_ssh_key, remove_ssh_key
from accounts.web.actor import in_account
from accounts.web.forms import SshKeyForm, show_error
from mcp.errors import ControlPlaneError, NotFound


@require_http_methods(["GET", "POST"])
@in_account
def ssh_keys(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List them; POST adds one."""
    actor.demand("ssh_keys.read")
    form = SshKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = add_ssh_key(actor=actor, public_key=form.cleaned_data["public_key"], name=form.cleaned_data["name"])
        except ControlPlaneError as error:
            if error.status == 403:
                raise
            show_error(form, error)
        else:
            messages.success(request, f"Added {row.name}. New accelerators can let it in.")
            return redirect("ssh-keys")
    rows = SshKey.objects.filter(account=actor.account)[:200]
    context = {"rows": rows, "form": form, "may_write": actor.may("ssh_keys.write")}
    return render(request, "accounts/ssh_keys.html", context, status=400 if form.errors else 200)


@require_POST
@in_account
def remove(request: HttpRequest, actor: Actor, key_id: UUID) -> HttpResponse:
    """Forget one."""
    row = SshKey.objects.filter(account=actor.account, pk=key_id).first()
    if row is None:
        raise NotFound("There is no such SSH key in this account.")
    remove_ssh_key(actor=actor, row=row)
    messages.success(request, f"Removed {row.name}. Accelerators that have it keep it until they are rebuilt.")
    return redirect("ssh-keys")
