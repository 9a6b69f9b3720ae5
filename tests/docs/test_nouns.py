"""Every model has a page in docs/nouns, or is named here as part of another noun's or of the machinery."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

NOUNS: Path = settings.BASE_DIR / "docs" / "nouns"

# Model -> page; a model whose name is the page's needs no line.
PAGES = {
    "accounts.Membership": "member", "accounts.ApiKey": "api-key", "accounts.SshKey": "ssh-key",
    "accounts.AccountLimit": "limit", "accounts.User": "member", "pods.ImageCopy": "image",
    "pods.DriftFinding": "drift-finding", "accelerators.Tag": "accelerator", "mcp_events.AuditEntry": "audit",
    "operations.Lane": "operation", "operations.Ticket": "operation",
    "pods.CapacitySample": "pod", "pods.Move": "move-run",
}  # fmt: skip
# Machinery that no caller ever sees.
INTERNAL = {"IdempotencyRecord", "FormToken", "Pulse", "Tally"}
SECTIONS = ("## Fields that matter", "## Verbs", "## What is guaranteed", "## Errors")
OURS = ("mcp", "accounts", "pods", "accelerators")


def _page_of(label: str, name: str) -> str:
    by_name = {key.partition(".")[2]: page for key, page in PAGES.items()}
    return PAGES.get(f"{label}.{name}") or by_name.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _models() -> list[tuple[str, str]]:
    return [
        (model._meta.app_label, model.__name__)
        for config in apps.get_app_configs()
        if config.name.partition(".")[0] in OURS
        for model in config.get_models()
        if model.__name__ not in INTERNAL
    ]


@pytest.mark.parametrize(("label", "name"), _models(), ids=lambda value: value)
def test_model_has_a_page(label: str, name: str) -> None:
    page = NOUNS / f"{_page_of(label, name)}.md"
    assert page.exists(), f"write {page.name}, or name {name} as internal"


def test_what_is_called_internal_exists() -> None:
    names = {model.__name__ for config in apps.get_app_configs() for model in config.get_models()}
    assert names >= INTERNAL
    assert {key.partition(".")[2] for key in PAGES} <= names


@pytest.mark.parametrize("page", sorted(NOUNS.glob("*.md")), ids=lambda path: path.stem)
def test_page_has_every_section(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [section for section in SECTIONS if section not in text] == []
    assert "\n## States\n" in text or "no states" in text


def test_pages_name_only_fields_and_codes_that_exist() -> None:
    """Error codes named on any page are those of docs/errors.md."""
    known = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", (settings.BASE_DIR / "docs" / "errors.md").read_text(), re.MULTILINE))
    groups = {code.partition(".")[0] for code in known} - {"accelerator", "operation", "account", "host", "image", "database"}
    for page in (settings.BASE_DIR / "docs").rglob("*.md"):
        for code in re.findall(r"`([a-z]+\.[a-z_]+)`", page.read_text(encoding="utf-8")):
            if code.partition(".")[0] in groups and not code.endswith((".py", ".md", ".read", ".write", ".wanted", ".observed")):
                assert code in known, f"{page.name} names {code}"
