"""Recipes: one TOML file an image, in `recipes/`. A recipe may extend another; lists are joined, other keys replaced."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pods.images.errors import NoSuchRecipe, RecipeBroken

HERE = Path(__file__).parent
RECIPES = HERE / "recipes"
FILES = HERE / "files"
SCRIPTS = HERE / "scripts"
FORMAT = 2  # raise it when the builder itself changes what it makes
METHODS = ("busybox", "debian")
LISTS = ("packages", "dormant")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is made, and what a guest made from it needs at least."""

    slug: str
    os: str
    method: str
    min_memory_mib: int
    min_disk_gib: int
    ready_port: int  # the TCP port that answers once the guest is up; 0 if none does
    suite: str = ""
    packages: tuple[str, ...] = ()
    dormant: tuple[str, ...] = ()  # services installed but left off

    @property
    def digest(self) -> str:
        """Changes whenever the built image might: with the recipe, and with every file and script that goes into it."""
        digest = hashlib.sha256(f"{FORMAT} {json.dumps(asdict(self), sort_keys=True)}".encode())
        for path in sorted([*FILES.rglob("*"), *SCRIPTS.rglob("*")]):
            if path.is_file():
                digest.update(f"{path.relative_to(HERE)}\0{path.stat().st_mode & 0o111}\0".encode() + path.read_bytes())
        return digest.hexdigest()


def slugs(directory: Path = RECIPES) -> tuple[str, ...]:
    """Every image there is a recipe for, in alphabetical order."""
    return tuple(sorted(path.stem for path in directory.glob("*.toml")))


def load(slug: str, directory: Path = RECIPES) -> Recipe:
    """The recipe of an image. Raises NoSuchRecipe, RecipeBroken."""
    facts = _merged(slug, directory, seen=())
    for key in LISTS:
        facts[key] = tuple(sorted(set(facts.get(key, ()))))
    try:
        recipe = Recipe(slug=slug, **facts)
    except TypeError as error:
        raise RecipeBroken(f"{slug}.toml: {error}") from error
    return _checked(recipe)


def _merged(slug: str, directory: Path, seen: tuple[str, ...]) -> dict[str, Any]:
    if slug in seen:
        raise RecipeBroken(f"{slug}.toml extends itself by way of {', '.join(seen)}")
    facts = _read(slug, directory)
    if "extends" not in facts:
        return facts
    base = _merged(str(facts.pop("extends")), directory, (*seen, slug))
    joined = {key: [*base.get(key, ()), *facts.get(key, ())] for key in LISTS}
    return {**base, **facts, **joined}


def _read(slug: str, directory: Path) -> dict[str, Any]:
    if slug not in slugs(directory):
        raise NoSuchRecipe(f"there is no recipe for the image {slug!r}; there are {', '.join(slugs(directory))}")
    try:
        return tomllib.loads((directory / f"{slug}.toml").read_text())
    except tomllib.TOMLDecodeError as error:
        raise RecipeBroken(f"{slug}.toml: {error}") from error


def _checked(recipe: Recipe) -> Recipe:
    if recipe.method not in METHODS:
        raise RecipeBroken(f"{recipe.slug}.toml: method {recipe.method!r} is none of {', '.join(METHODS)}")
    if recipe.method == "debian" and not recipe.suite:
        raise RecipeBroken(f"{recipe.slug}.toml: a debian image needs a suite, such as bookworm")
    for key in ("min_memory_mib", "min_disk_gib", "ready_port"):
        value = getattr(recipe, key)
        if not isinstance(value, int) or value < 0:
            raise RecipeBroken(f"{recipe.slug}.toml: {key} must be a whole number, not {value!r}")
    return recipe
