"""A browser, a world of simulated hosts slow enough to watch, and a worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import pytest

from accelerators.testing.world import PASSWORD, World, make_world
from mcp.operations.engine import run
from mcp.testing.browser import browser as running_browser
from mcp.testing.browser import working
from mcp.testing.drain import next_due
from tests.stack import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize
    from pytest_django.live_server_helper import LiveServer

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


class Open(Protocol):
    """Open a page at a size, signed in as somebody."""

    def __call__(self, username: str = "", *, phone: bool = False, script: bool = True) -> Page: ...


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; every page has a profile of its own."""
    with running_browser() as running:
        yield running


@pytest.fixture
def slow_world(transactional_db: None) -> World:
    """Every step takes long enough to be seen."""
    made = make_world()
    for host in made.simulated.hosts():
        for verb in ("create", "start", "stop"):
            host.delay(verb, 0.6)
    return made


@pytest.fixture
def worker() -> AbstractContextManager[None]:
    """Carries out what is queued, in a thread, while the block lasts."""
    return working(_one)


def _one() -> None:
    operation = next_due(skip_pauses=False)
    if operation is not None:
        run(operation)


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer) -> Iterator[Open]:
    """Pages; what their consoles complain about fails the test."""
    contexts, complaints = [], []

    def go(username: str = "", *, phone: bool = False, script: bool = True) -> Page:
        context = chromium.new_context(
            base_url=live_server.url, viewport=PHONE if phone else DESKTOP, has_touch=phone, java_script_enabled=script
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
        page.goto("/sign-in/")
        if username:
            page.fill("#id_username", username)
            page.fill("#id_password", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "sign-in" not in url)
        return page

    yield go
    for context in contexts:
        context.close()
    until(lambda: not _answering(), within_s=30, what="the last answers of the server")
    assert complaints == []


def _answering() -> list[str]:
    """Threads of the server that still serve a request: the tables are truncated next, which must meet nobody."""
    return [thread.name for thread in threading.enumerate() if "process_request_thread" in thread.name]
