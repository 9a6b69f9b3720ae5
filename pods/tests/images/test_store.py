"""Built images on disk: versions, manifests, damage."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pods.images import recipe, store

DAY = date(2026, 11, 23)
BUSYBOX = recipe.load("busybox")


def publish(directory: Path, content: bytes = b"image", made_from: recipe.Recipe = BUSYBOX) -> store.BuiltImage:
    workshop = directory / ".workshop"
    workshop.mkdir(exist_ok=True)
    (workshop / "image.tar.zst").write_bytes(content)
    version = store.next_version(directory, made_from.slug, DAY)
    return store.publish(directory, made_from, workshop / "image.tar.zst", version)


def test_a_published_image_is_read_back_the_same(tmp_path: Path) -> None:
    image = publish(tmp_path)
    assert image.path == tmp_path / "busybox-20261123.tar.zst"
    assert image.sha256 == hashlib.sha256(b"image").hexdigest()
    assert image.size_bytes == 5
    assert store.images(tmp_path) == [image]
    assert store.intact(image)


def test_the_manifest_does_not_care_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    publish(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert store.images(tmp_path / "b")[0].path == tmp_path / "b" / "busybox-20261123.tar.zst"


def test_several_a_day_are_numbered_and_ordered(tmp_path: Path) -> None:
    made = [publish(tmp_path, str(n).encode()) for n in range(11)]
    assert [i.version for i in made][:3] == ["20261123", "20261123.2", "20261123.3"]
    assert store.images(tmp_path) == made
    assert store.newest(tmp_path, BUSYBOX) == made[-1]


def test_the_newest_of_another_recipe_does_not_count(tmp_path: Path) -> None:
    publish(tmp_path, made_from=replace(BUSYBOX, min_memory_mib=17))
    assert store.newest(tmp_path, BUSYBOX) is None


def test_an_archive_cut_short_or_gone_does_not_count(tmp_path: Path) -> None:
    image = publish(tmp_path)
    image.path.write_bytes(b"ima")
    assert store.images(tmp_path) == []
    image.path.unlink()
    assert store.images(tmp_path) == []
    assert not store.intact(image)


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    image = publish(tmp_path)
    image.path.write_bytes(b"imagf")
    assert not store.intact(image)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"path": "x"}', '{"slug": 1, "path": "../../etc/passwd"}'])
def test_what_is_no_manifest_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "busybox-1.json").write_text(text)
    assert store.images(tmp_path) == []


def test_the_manifest_tells_what_the_image_needs(tmp_path: Path) -> None:
    publish(tmp_path)
    facts = json.loads((tmp_path / "busybox-20261123.json").read_text())
    assert (facts["os"], facts["min_memory_mib"], facts["ready_port"]) == ("BusyBox", 16, 22)


def test_the_directory_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_IMAGE_DIR", "/srv/images")
    assert store.directory_from_environment() == Path("/srv/images")
    monkeypatch.delenv("MCP_IMAGE_DIR")
    assert store.directory_from_environment() == Path("var/images")
