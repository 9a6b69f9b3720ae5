"""All URLs: the console, the API, health, and the portal at the root."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

handler400 = "mcp.web.errors.bad_request"
handler403 = "mcp.web.errors.forbidden"
handler404 = "mcp.web.errors.not_found"
handler500 = "mcp.web.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    # One door for everybody: the portal's sign-in, which is throttled.
    path("admin/login/", RedirectView.as_view(pattern_name="sign-in", query_string=True)),
    path("admin/", include("accelerators.web.console_urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("accelerators.api.urls")),
    path("", include("mcp.health.urls")),
    path("", include("accounts.web.urls")),
    path("", include("accelerators.web.urls")),
]
