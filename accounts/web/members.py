"""The page of members."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.models import Membership
from accounts.services.members import add_member, change_role, remove_member
from accounts.web.actor import in_account
from accounts.web.forms import MemberForm, RoleForm, show_error
from mcp.errors import ControlPlaneError, NotFound


@require_http_methods(["GET", "POST"])
@in_account
def members(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List them; POST adds one."""
    actor.demand("members.read")
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = add_member(actor=actor, account=actor.demand_account(), **form.cleaned_data)
        except ControlPlaneError as error:
            if not actor.may("members.write"):
                raise
            show_error(form, error)
        else:
            messages.success(request, f"{row.user.get_username()} is now {row.role}.")
            return redirect("members")
    rows = Membership.objects.filter(account=actor.account).select_related("user")[:200]
    people = [(row, RoleForm(initial={"role": row.role}, who=row.user.get_username(), auto_id=f"{row.pk}_%s")) for row in rows]
    context = {"people": people, "form": form, "may_write": actor.may("members.write")}
    return render(request, "accounts/members.html", context, status=400 if form.errors else 200)


def _member(actor: Actor, member_id: UUID) -> Membership:
    row = Membership.objects.select_related("user").filter(account=actor.account, pk=member_id).first()
    if row is None:
        raise NotFound("There is no such member in this account.")
    return row


@require_POST
@in_account
def role(request: HttpRequest, actor: Actor, member_id: UUID) -> HttpResponse:
    """Give a member another role."""
    row = change_role(actor=actor, row=_member(actor, member_id), role=request.POST.get("role", ""))
    messages.success(request, f"{row.user.get_username()} is now {row.role}.")
    return redirect("members")


@require_POST
@in_account
def remove(request: HttpRequest, actor: Actor, member_id: UUID) -> HttpResponse:
    """Take a member's role and keys."""
    row = _member(actor, member_id)
    name = row.user.get_username()
    remove_member(actor=actor, row=row)
    messages.success(request, f"{name} is no longer a member; the API keys made by {name} here are gone too.")
    return redirect("members")
