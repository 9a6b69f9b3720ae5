"""Built images on the control plane's disk: `SLUG-VERSION.tar.zst` and, beside it, the manifest `SLUG-VERSION.json`.

The manifest is written last, so an image without one was never finished and does not count.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pods.images.recipe import Recipe

DEFAULT_DIRECTORY = Path("var/images")


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image as it lies on disk."""

    slug: str
    version: str
    path: Path
    sha256: str
    size_bytes: int
    os: str
    min_memory_mib: int
    min_disk_gib: int
    ready_port: int
    recipe_digest: str


def directory_from_environment() -> Path:
    """Where images are kept: MCP_IMAGE_DIR, or var/images."""
    return Path(os.environ.get("MCP_IMAGE_DIR") or DEFAULT_DIRECTORY)


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def images(directory: Path) -> list[BuiltImage]:
    """Every finished image in the directory, by slug, oldest first."""
    found = [_read(path) for path in directory.glob("*.json")]
    return sorted((image for image in found if image), key=lambda image: (image.slug, version_key(image.version)))


def version_key(version: str) -> tuple[int, int]:
    """Orders versions: "20261123" before "20261123.2" before "20261123.10" before "20261124"."""
    day, _, serial = version.partition(".")
    return int(day), int(serial or 1)


def newest(directory: Path, recipe: Recipe) -> BuiltImage | None:
    """The newest finished image of this very recipe, or None."""
    matching = [i for i in images(directory) if i.slug == recipe.slug and i.recipe_digest == recipe.digest]
    return matching[-1] if matching else None


def next_version(directory: Path, slug: str, today: date) -> str:
    """The day's date as version, with a serial number from the second image of that day on."""
    day = f"{today:%Y%m%d}"
    taken = {image.version for image in images(directory) if image.slug == slug}
    serial = 1
    while (version := day if serial == 1 else f"{day}.{serial}") in taken:
        serial += 1
    return version


def publish(directory: Path, recipe: Recipe, archive: Path, version: str) -> BuiltImage:
    """Move a finished archive to its place and write its manifest; both appear whole or not at all."""
    target = directory / f"{recipe.slug}-{version}.tar.zst"
    image = BuiltImage(
        slug=recipe.slug,
        version=version,
        path=target,
        sha256=sha256_of(archive),
        size_bytes=archive.stat().st_size,
        os=recipe.os,
        min_memory_mib=recipe.min_memory_mib,
        min_disk_gib=recipe.min_disk_gib,
        ready_port=recipe.ready_port,
        recipe_digest=recipe.digest,
    )
    archive.replace(target)
    manifest = archive.parent / "manifest.json"
    manifest.write_text(json.dumps(_facts(image), indent=1) + "\n")
    manifest.replace(_manifest_path(target))
    return image


def intact(image: BuiltImage) -> bool:
    """Whether the archive's bytes are those that were built."""
    return image.path.exists() and sha256_of(image.path) == image.sha256


def _manifest_path(archive: Path) -> Path:
    return archive.with_name(archive.name.removesuffix(".tar.zst") + ".json")


def _facts(image: BuiltImage) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(image, name) for name in BuiltImage.__dataclass_fields__}
    return {**facts, "path": image.path.name}  # relative: the directory may be moved


def _read(manifest: Path) -> BuiltImage | None:
    """The image of a manifest; None if it is no manifest, or the archive is gone or was cut short."""
    try:
        facts = json.loads(manifest.read_text())
        image = BuiltImage(**{**facts, "path": manifest.parent / facts["path"]})
        return image if image.path.stat().st_size == image.size_bytes else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
