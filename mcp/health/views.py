"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from mcp.health.metrics import exposition
from mcp.health.readiness import readiness


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process lives; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests should be sent here: 200 or 503, with the checks as JSON."""
    checks = readiness()
    ready = all(check.ok for check in checks)
    body = {"ready": ready, "checks": {c.name: {"ok": c.ok, **({"detail": c.detail} if c.detail else {})} for c in checks}}
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus, with an operator's key (`authorization: {credentials: KEY}` in its configuration)."""
    if not import_string(settings.OPERATOR_GATE)(request):
        refusal = HttpResponse("Operators only: send an operator's API key as a bearer token.\n", status=401)
        refusal["WWW-Authenticate"] = 'Bearer realm="mcp"'
        refusal["Content-Type"] = "text/plain"
        return refusal
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
