"""pytest plugin: tests marked `postgres`, `redis` or `browser` run where that part is there.

Elsewhere they are skipped with the reason; if the environment variable MCP_REQUIRE (a list with commas) names the part,
they fail instead. (`lab` does the same, in lab/fixtures.py.)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

import pytest
from django.conf import settings


def _no_postgres() -> str:
    return "needs PostgreSQL: set MCP_DATABASE_URL, or run `make test`" if settings.SQLITE else ""


def _no_redis() -> str:
    return "" if settings.BROKER_URL.startswith("redis") else "needs Redis: set MCP_BROKER_URL, or run `make test`"


def _no_browser() -> str:
    return "" if shutil.which("chromium") else "needs Chromium: apt-get install chromium"


PARTS: Mapping[str, Callable[[], str]] = {"postgres": _no_postgres, "redis": _no_redis, "browser": _no_browser}


def required(part: str) -> bool:
    """Whether a test that cannot run for lack of this part is a failure."""
    return part in os.environ.get("MCP_REQUIRE", "").split(",")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture of the test is made."""
    for part, lacking in PARTS.items():
        if item.get_closest_marker(part) and (why := lacking()):
            if required(part):
                pytest.fail(why, pytrace=False)
            pytest.skip(why)
