"""One JSON object a line, with the request's id; ids of callers only where they are well formed."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from mcp.logs import RequestIdMiddleware, configure, request_id


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a process that logs JSON would print; the logging of the tests is put back."""
    root = logging.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    configure({"format": "json", "level": "INFO"})
    stream = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


def parsed(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_ways_of_logging_are_one_object_a_line(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="abcdefgh"):
        structlog.get_logger("one").info("it\nhappened", host="h1\r\nforged")
        logging.getLogger("two").warning("plain %s", "text\n{}")
    first, second = parsed(lines)
    assert (first["event"], first["host"], first["level"], first["logger"]) == ("it\nhappened", "h1\r\nforged", "info", "one")
    assert (second["event"], second["level"]) == ("plain text\n{}", "warning")
    assert first["request_id"] == second["request_id"] == "abcdefgh"
    assert str(first["timestamp"]).endswith("Z")


def test_exceptions_stay_on_their_line_and_the_noisy_are_quiet(lines: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("failed")
    logging.getLogger("x").debug("not shown")
    logging.getLogger("paramiko").info("not shown")
    (line,) = parsed(lines)
    assert "ValueError: broken" in str(line["exception"])


def answer(given: str | None) -> tuple[str, str]:
    """The id inside the request, and the one answered."""
    inside: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        inside.append(request_id())
        return HttpResponse()

    headers = {} if given is None else {"X-Request-Id": given}
    response = RequestIdMiddleware(view)(RequestFactory().get("/", headers=headers))
    return inside[0], response["X-Request-Id"]


def test_a_good_id_is_kept() -> None:
    assert answer("trace-1.2_3") == ("trace-1.2_3", "trace-1.2_3")
    assert request_id() == ""  # nothing is left behind


@pytest.mark.parametrize(
    "given", [None, "", "short", "x" * 65, "a b c d e f", "abcdefgh\n", "abcdefgh\r\nSet-Cookie: x=y", "äöüäöüäö"]
)
def test_any_other_is_replaced(given: str | None) -> None:
    inside, answered = answer(given)
    assert inside == answered != given
    assert len(answered) == 36


def test_every_answer_has_one(client: Client, db: None) -> None:
    assert client.get("/api/v1/nowhere", headers={"X-Request-Id": "trace-me-1"})["X-Request-Id"] == "trace-me-1"
