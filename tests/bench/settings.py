"""The product's settings with one more view: an empty one, as the baseline of the API's figures."""

from __future__ import annotations

from mcp.settings import *  # noqa: F403  (a settings module is a namespace; Django's own way of layering them)

ROOT_URLCONF = "tests.bench.urls"
