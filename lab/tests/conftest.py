"""What the lab's own tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.shell import run


@pytest.fixture(scope="session")
def tiny_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar of the smallest root that boots in a zone."""
    directory = tmp_path_factory.mktemp("tiny")
    run("sh", str(Path(__file__).parent / "tiny-root.sh"), str(directory / "tiny"))
    return directory / "tiny.tar"
