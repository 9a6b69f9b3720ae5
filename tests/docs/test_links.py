"""Relative links and anchors in every page lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]*`")


def _pages() -> list[Path]:
    """Markdown that belongs to the project: tracked, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=30)
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    found = [ROOT / name for name in names if name] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if path.exists()]


PAGES = _pages()


def _prose(path: Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def _anchors(path: Path) -> set[str]:
    """As GitHub and GitLab make them: lower case, words joined by hyphens, a number behind repeated ones."""
    seen: dict[str, int] = {}
    anchors = set()
    for heading in HEADING.findall(_prose(path)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors


def _broken(page: Path, target: str) -> str:
    """What is wrong with one link, or nothing."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""  # another site's addresses are not ours to ask
    file, _, anchor = unquote(target).partition("#")
    there = (page.parent / file).resolve() if file else page
    if not there.is_relative_to(ROOT.resolve()):
        return f"{target} leads out of the project"
    if not there.exists():
        return f"{target}: there is no {there.relative_to(ROOT.resolve())}"
    if anchor and there.suffix == ".md" and anchor not in _anchors(there):
        return f"{target}: {there.name} has no heading #{anchor}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = LINK.findall(INLINE.sub("", _prose(page)))
    assert [fault for fault in (_broken(page, link) for link in links) if fault] == []


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(_prose(index))}
    pages = {path.resolve() for path in PAGES if path.is_relative_to(ROOT / "docs")} - {index.resolve()}
    assert {str(path.relative_to(ROOT)) for path in pages - named} == set()


def test_paths_named_in_pages_exist() -> None:
    """A path in backquotes that begins with one of our directories is a promise, too."""
    tops = "mcp|accounts|pods|accelerators|lab|demo|tests|scripts|deploy|templates"
    path_like = re.compile(rf"`((?:{tops})/[\w./-]*\w\.(?:py|sh|md|txt|toml|html|pl|seccomp))`")
    for page in PAGES:
        for name in path_like.findall(_prose(page)):
            assert (ROOT / name).exists(), f"{page.relative_to(ROOT)} names {name}"


def test_the_checker_sees_what_is_broken(tmp_path: Path) -> None:
    page = ROOT / "README.md"
    assert _broken(page, "docs/no-such-page.md")
    assert _broken(page, "docs/api.md#no-such-heading")
    assert _broken(page, "../outside.md")
    assert _broken(page, "https://example.org/") == ""
