"""Sign in, sign out, switch accounts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.web.actor import choose_account, source_of
from accounts.web.throttle import demand_patience
from mcp.errors import NotFound, Throttled


class SignIn(LoginView):
    """Django's own, with patience demanded before a password is looked at."""

    template_name = "accounts/sign_in.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Too many tries answer 429 with the form, whatever the password."""
        try:
            demand_patience(request.POST.get("username", "")[:150], source_of(request))
        except Throttled as error:
            context = self.get_context_data(form=self.get_form_class()(request), throttled=error.detail)
            response = self.render_to_response(context, status=429)
            response["Retry-After"] = str(error.context["retry_after_s"])
            return response
        return super().post(request, *args, **kwargs)


class SignOut(LogoutView):
    """Django's own: POST only."""


@require_POST
@login_required
def switch_account(request: HttpRequest) -> HttpResponse:
    """Act in another account of the same person."""
    try:
        chosen = choose_account(request, UUID(request.POST.get("account", "")))
    except ValueError:
        chosen = False
    if not chosen:
        raise NotFound("You are not a member of that account.")
    messages.success(request, "You are now working in another account.")
    return redirect("accelerators")
