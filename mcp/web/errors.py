"""Errors as pages: what happened, why, and what to do next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from mcp.api import problems
from mcp.errors import ControlPlaneError, Retry

API = "/api/"

NEXT_STEPS: dict[int, str] = {
    403: "Ask an owner or administrator of the account for another role, or switch to another account.",
    404: "Check the address, or look for it in the list. Things of another account are not shown here.",
    409: "Look at its present state and try what fits it.",
    410: "It cannot come back, but you can make a new one.",
    429: "Wait a moment, then try again.",
}


def next_step(error: ControlPlaneError) -> str:
    """One sentence that says what a person can do now."""
    if error.retry is Retry.LATER:
        return "Wait a moment, then try again; nothing was changed."
    return NEXT_STEPS.get(error.status, "Change what the sentence names and try again; nothing was changed.")


def error_context(error: ControlPlaneError) -> dict[str, Any]:
    """What the templates of errors read."""
    return {"error": error, "status": error.status, "next_step": next_step(error)}


def error_response(request: HttpRequest, error: ControlPlaneError) -> HttpResponse:
    """A page; for a request by htmx the notice alone, put where notices stand."""
    context = error_context(error) | {"request_id": request.META.get("MCP_REQUEST_ID", "")}
    if getattr(request, "htmx", False):
        response = render(request, "errors/notice.html", context, status=error.status)
        response["HX-Retarget"] = "#notices"
        response["HX-Reswap"] = "innerHTML"
        return response
    response = render(request, "errors/control_plane.html", context, status=error.status)
    if error.status == 429:
        response["Retry-After"] = str(error.context.get("retry_after_s", 60))
    return response


def _page(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, f"errors/{status}.html", {"request_id": request.META.get("MCP_REQUEST_ID", "")}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    if request.path.startswith(API):
        return problems.bad_request(request, exception)
    return _page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _page(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose token is missing or old."""
    return render(request, "errors/csrf.html", {"request_id": request.META.get("MCP_REQUEST_ID", "")}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if request.path.startswith(API):
        return problems.page_not_found(request, exception)
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Rendered without context processors: whatever broke must not break this page too."""
    if request.path.startswith(API):
        return problems.server_error(request)
    request_id = request.META.get("MCP_REQUEST_ID", "")
    return HttpResponse(render_to_string("errors/500.html", {"request_id": request_id}), status=500)
