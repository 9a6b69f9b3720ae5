"""Settings from the environment and from the file below it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mcp.environment import Environment, read_file


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.env"
    file.write_text("# comment\n\nMCP_ONE=1\nMCP_TWO= two \n")
    monkeypatch.setenv("MCP_ONE", "11")
    settings = Environment.with_file(file)
    assert settings.number("MCP_ONE", 0) == 11
    assert settings.text("MCP_TWO") == "two"


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read_file(tmp_path / "none") == {}


@pytest.mark.parametrize("line", ["nonsense", "PATH=/bin", "=x"])
def test_a_line_that_is_no_setting_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f"MCP_ONE=1\n{line}\n")
    with pytest.raises(ImproperlyConfigured, match="line 2"):
        read_file(file)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        read_file(tmp_path)


@pytest.mark.parametrize(("raw", "wanted"), [("yes", True), ("OFF", False), ("", False)])
def test_flags(raw: str, wanted: bool) -> None:
    assert Environment({"MCP_X": raw}).flag("MCP_X") is wanted


def test_what_cannot_be_read_names_the_variable() -> None:
    broken = Environment({"MCP_X": "perhaps", "MCP_N": "many", "MCP_LOW": "1"})
    with pytest.raises(ImproperlyConfigured, match="MCP_X"):
        broken.flag("MCP_X")
    with pytest.raises(ImproperlyConfigured, match="MCP_N"):
        broken.number("MCP_N", 1)
    with pytest.raises(ImproperlyConfigured, match="at least 2"):
        broken.number("MCP_LOW", 5, 2)
