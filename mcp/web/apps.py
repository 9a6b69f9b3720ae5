"""Django application of the pages' plumbing."""

from __future__ import annotations

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Registers the models under the label `web`, and names the console."""

    name = "mcp.web"
    label = "web"
    verbose_name = "Pages"

    def ready(self) -> None:
        """The console's own words."""
        from django.contrib import admin

        admin.site.site_header = "MCP console"
        admin.site.site_title = "MCP console"
        admin.site.index_title = "What needs looking at"
        admin.site.enable_nav_sidebar = False
