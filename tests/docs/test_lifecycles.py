"""The pictures of life cycles are those of the code."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accelerators.management.commands.lifecycles import drawings
from accelerators.states import TRANSITIONS
from mcp.lifecycles import BEGIN, END, as_rows, diagram, put

PAGES: Path = settings.BASE_DIR / "docs" / "lifecycles"
TABLE = {"open": frozenset({"closed", "open"}), "closed": frozenset[str]()}


def test_pages_are_up_to_date() -> None:
    call_command("lifecycles", "--check")


def test_every_page_is_drawn() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(drawings())


def test_a_stale_page_is_named_and_mended(tmp_path: Path) -> None:
    shutil.copytree(PAGES, tmp_path / "pages")
    page = tmp_path / "pages" / "operation.md"
    before = page.read_text()
    page.write_text(before.replace("    queued --> running\n", ""))
    with pytest.raises(CommandError, match="operation"):
        call_command("lifecycles", "--check", "--directory", str(tmp_path / "pages"))
    call_command("lifecycles", "--directory", str(tmp_path / "pages"), stdout=StringIO())
    assert page.read_text() == before


def test_diagram_has_every_change_and_no_other() -> None:
    arrows = {line.strip() for line in diagram(TRANSITIONS, first="provisioning").splitlines() if "-->" in line}
    inner = {arrow for arrow in arrows if "[*]" not in arrow}
    assert inner == {f"{before} --> {after}" for before, nexts in TRANSITIONS.items() for after in nexts}
    assert "[*] --> provisioning" in arrows
    assert "deleted --> [*]" in arrows


def test_rows_follow_the_order_of_the_code() -> None:
    assert as_rows(TABLE, settled=["closed"]).splitlines()[2:] == [
        "| `open` | no | `open`, `closed` |",
        "| `closed` | yes | nothing |",
    ]


def test_words_around_the_drawing_stay() -> None:
    page = put(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new")
    assert page == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="lacks"):
        put("no marks", "new")
