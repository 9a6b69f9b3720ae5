"""Recipes: read, merged, checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from pods.images import recipe
from pods.images.errors import NoSuchRecipe, RecipeBroken

BASE = 'os = "Debian 12"\nmethod = "debian"\nsuite = "bookworm"\nmin_memory_mib = 128\nmin_disk_gib = 1\nready_port = 22\n'


def write(directory: Path, slug: str, text: str) -> None:
    (directory / f"{slug}.toml").write_text(text)


def test_the_shipped_recipes_are_sound() -> None:
    assert recipe.slugs() == ("busybox", "debian-12", "debian-12-web")
    for slug in recipe.slugs():
        assert recipe.load(slug).ready_port == 22


def test_the_web_image_is_debian_and_more() -> None:
    base, web = recipe.load("debian-12"), recipe.load("debian-12-web")
    assert set(base.packages) < set(web.packages)
    assert {"nginx", "postgresql", "mariadb-server", "memcached"} <= set(web.packages)
    assert web.suite == base.suite
    assert web.dormant == ("mariadb", "memcached", "nginx", "postgresql")
    assert web.digest != base.digest


def test_an_unknown_slug_lists_the_known() -> None:
    with pytest.raises(NoSuchRecipe, match=r"'plan9'.*busybox, debian-12"):
        recipe.load("plan9")


@pytest.mark.parametrize("slug", ["../recipe", "", "debian-12/..", "."])
def test_a_slug_is_no_path(slug: str) -> None:
    with pytest.raises(NoSuchRecipe):
        recipe.load(slug)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("os = ", "Invalid value"),
        (BASE + "colour = 'red'\n", "colour"),
        (BASE.replace("debian", "gentoo"), "gentoo"),
        (BASE.replace('suite = "bookworm"\n', ""), "needs a suite"),
        (BASE.replace("= 128", '= "128"'), "min_memory_mib must be a whole number"),
        (BASE.replace("= 22", "= -1"), "ready_port"),
        (BASE.replace("min_disk_gib = 1\n", ""), "min_disk_gib"),
        ('extends = "mine"\n', "extends itself"),
    ],
)
def test_a_broken_recipe_names_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, "mine", text)
    with pytest.raises(RecipeBroken, match=words):
        recipe.load("mine", tmp_path)


def test_what_is_nearer_wins_and_lists_are_joined(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE + 'packages = ["b", "a"]\n')
    write(tmp_path, "more", 'extends = "base"\nmin_memory_mib = 512\npackages = ["c", "a"]\n')
    more = recipe.load("more", tmp_path)
    assert (more.min_memory_mib, more.min_disk_gib, more.packages) == (512, 1, ("a", "b", "c"))


def test_the_digest_follows_the_recipe_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "mine", BASE)
    files = tmp_path / "files"
    files.mkdir()
    monkeypatch.setattr(recipe, "HERE", tmp_path)
    monkeypatch.setattr(recipe, "FILES", files)
    monkeypatch.setattr(recipe, "SCRIPTS", files)
    seen = {recipe.load("mine", tmp_path).digest}
    (files / "init").write_text("one")
    seen.add(recipe.load("mine", tmp_path).digest)
    (files / "init").write_text("two")
    seen.add(recipe.load("mine", tmp_path).digest)
    write(tmp_path, "mine", BASE.replace("128", "129"))
    seen.add(recipe.load("mine", tmp_path).digest)
    assert len(seen) == 4
    assert recipe.load("mine", tmp_path).digest in seen
