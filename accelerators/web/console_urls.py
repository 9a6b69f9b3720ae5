"""The console's pages that are no model's; they stand before Django's admin, which takes every address that is left."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from accelerators.web import whatif
from pods.web import moves

urlpatterns: list[URLPattern | URLResolver] = [
    path("whatif/", admin.site.admin_view(whatif.what_if), name="console-whatif"),
    path("pods/host/<uuid:host_id>/evacuate/", admin.site.admin_view(moves.evacuate_host), name="console-evacuate"),
    path("pods/pod/<uuid:pod_id>/rebalance/", admin.site.admin_view(moves.rebalance_pod), name="console-rebalance"),
]
