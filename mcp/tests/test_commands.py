"""What the operator's commands share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import CommandError
from django.db import OperationalError

from mcp.commands import key_values, sentences, table, with_sentences
from mcp.errors import FieldError, InvalidInput, NotFound


def raising(error: Exception) -> None:
    """Call the translation with something that fails."""

    def fail() -> None:
        raise error

    with_sentences(fail)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NotFound("There is no pod x."), "There is no pod x"),
        (ValidationError("slug is bad"), "slug is bad"),
        (ImproperlyConfigured("MCP_X is wrong"), "MCP_X is wrong"),
        (OperationalError("no such table: pods_pod\nDETAIL"), "manage.py migrate"),
    ],
)
def test_errors_become_sentences(error: Exception, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        raising(error)


def test_a_defect_stays_a_defect() -> None:
    with pytest.raises(KeyError):
        raising(KeyError("x"))


def test_sentences_name_fields_once_and_end_with_the_code() -> None:
    error = InvalidInput("name: too long.", errors=[FieldError("name", "x", "too long."), FieldError("plan", "y", "unknown.")])
    lines = sentences(error)
    assert lines[0].endswith("name: too long.")
    assert lines[1:] == ["  plan: unknown.", "  (input.invalid)"]


def test_tables_line_up_and_show_nothing_as_a_dash() -> None:
    rows: list[dict[str, object]] = [
        {"host": "h1", "last_seen": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
        {"host": "a-long-name", "last_seen": None},
    ]
    assert table(rows).splitlines() == ["HOST         LAST SEEN", "h1           2026-01-02 03:04:05", "a-long-name  -"]


def test_key_values() -> None:
    assert key_values(["a=1", "b=x=y"], "--option") == {"a": "1", "b": "x=y"}
    with pytest.raises(InvalidInput, match="--option"):
        key_values(["=1"], "--option")
