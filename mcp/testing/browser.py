"""A real browser for tests: Chromium, driven by Playwright, with an empty profile and no network but this machine's."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PLACES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Its path. Skips the test where there is none, or fails it where `MCP_REQUIRE` names `browser`."""
    found = next((path for name in PLACES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    reason = "Chromium is not installed (Debian package: chromium)"
    if "browser" in os.environ.get("MCP_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser.

    Playwright keeps an event loop in this thread, which Django takes for asynchronous code that must not touch the database;
    nothing runs at the same time as the test itself, so Django is told that it is safe while the browser lives.
    """
    path = chromium()
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield running
        finally:
            running.close()


@contextmanager
def working(once: Callable[[], object], *, every_s: float = 0.05) -> Iterator[None]:
    """Call `once` again and again in a thread, as a worker would, until the block ends. Its error is raised at the end."""
    enough, trouble = threading.Event(), []

    def loop() -> None:
        from django.db import connections

        try:
            while not enough.wait(every_s):
                once()
        except BaseException as error:
            trouble.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=loop, name="test-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(30)
    if trouble:
        raise trouble[0]
