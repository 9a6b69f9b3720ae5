"""Every error that MCP can raise is on two pages: what it means, and who can do what about it."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from django.conf import settings

from mcp.errors import ControlPlaneError

DOCS = settings.BASE_DIR / "docs"
PACKAGES = ("mcp", "accounts", "pods", "accelerators")
NOT_PRODUCT = {"tests", "testing", "migrations", "conftest"}
FIRST_CELL = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \|", re.MULTILINE)


def _modules() -> list[str]:
    """The product's modules; other packages' processes (wsgi, celery) start nothing when they are imported."""
    names: list[str] = []
    for package in PACKAGES:
        root = importlib.import_module(package)
        names += [info.name for info in pkgutil.walk_packages(root.__path__, f"{package}.")]
    return [name for name in names if not NOT_PRODUCT & set(name.split("."))]


def _family(base: type[ControlPlaneError]) -> list[type[ControlPlaneError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in _family(child))]


@pytest.fixture(scope="module")
def raised() -> dict[str, type[ControlPlaneError]]:
    """Every code in the product, with a class that carries it."""
    for name in _modules():
        importlib.import_module(name)
    kinds = [kind for kind in _family(ControlPlaneError) if not NOT_PRODUCT & set(kind.__module__.split("."))]
    return {kind.code: kind for kind in kinds if kind.__module__.partition(".")[0] in PACKAGES}


@pytest.mark.parametrize("page", ["errors.md", "remedies.md"])
def test_page_has_exactly_the_codes_of_the_code(page: str, raised: dict[str, type[ControlPlaneError]]) -> None:
    written = FIRST_CELL.findall((DOCS / page).read_text(encoding="utf-8"))
    assert len(written) == len(set(written)), "a code stands there twice"
    assert set(written) == set(raised)


def test_meanings_and_statuses_are_those_of_the_code(raised: dict[str, type[ControlPlaneError]]) -> None:
    rows = [line.split(" | ") for line in (DOCS / "errors.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows
    for code, status, retry, *_ in rows:
        kind = raised[code.strip("|` ")]
        assert (int(status), retry) == (kind.status, kind.retry.value), code


def test_codes_have_a_sentence_for_people(raised: dict[str, type[ControlPlaneError]]) -> None:
    for code, kind in raised.items():
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", code)
        assert kind.title
        assert (kind.__doc__ or "").strip(), f"{kind.__qualname__} says nothing"
        assert kind.status in {400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 429, 500, 502, 503, 504}


def test_every_remedy_says_who_acts() -> None:
    page = (DOCS / "remedies.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if FIRST_CELL.match(line)]
    for row in rows:
        _, code, who, what, _ = row.split("|")
        assert set(who.strip().split(", ")) <= {"customer", "operator", "engineer", "nobody"}, code
        assert what.strip().endswith("."), code
