"""For tests of pages: forms filled from what a page shows, and what the page says."""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Protocol

from django.test import Client

HTMX = {"HX-Request": "true"}


class Answer(Protocol):
    """What every response has, Django's own and the test client's."""

    @property
    def content(self) -> Any:
        """The body."""


def text_of(response: Answer) -> str:
    """What a person reads: tags and runs of white space gone."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def hidden(response: Answer, name: str) -> str:
    """The value of a hidden field on a page. Raises AssertionError when the page has none."""
    found = re.search(rf'<input type="hidden" name="{re.escape(name)}" value="([^"]*)"', response.content.decode())
    assert found, f"no hidden field {name}"
    return unescape(found.group(1))


def signed_in(username: str, password: str) -> Client:
    """A client that went through the door like a person."""
    client = Client()
    answer = client.post("/sign-in/", {"username": username, "password": password})
    assert answer.status_code == 302, text_of(answer)
    return client
