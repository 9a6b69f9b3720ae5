"""All URLs: the console, the API, health, and the portal at the root."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("accelerators.api.urls")),
    path("", include("mcp.health.urls")),
    path("", include("accelerators.web.urls")),
]

handler400 = "mcp.api.problems.bad_request"
handler404 = "mcp.api.problems.page_not_found"
handler500 = "mcp.api.problems.server_error"
