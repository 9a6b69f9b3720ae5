"""Headers and errors of pages. The API answers its own errors and documents."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from mcp.errors import ControlPlaneError
from mcp.web.errors import API, error_response

Handler = Callable[[HttpRequest], HttpResponse]

# Nothing inline, nothing from elsewhere: what a customer writes into a name or an output can never run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def is_api(request: HttpRequest) -> bool:
    """Whether the REST API (with its own documents and error format) answers this."""
    return request.path.startswith(API)


class SecurityHeaders:
    """A strict Content-Security-Policy on every page, and no caching of what belongs to somebody."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_api(request):
            response.headers.setdefault("Content-Security-Policy", POLICY)
            response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
            if not request.path.startswith("/static/"):
                response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class ErrorPages:
    """Show every ControlPlaneError that a view lets through as a page (or a part of one) that says what to do next."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Django calls this with what a view raised; None leaves it to Django."""
        if isinstance(exception, ControlPlaneError) and not is_api(request):
            return error_response(request, exception)
        return None
