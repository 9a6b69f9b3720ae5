"""Register images and find the one a customer means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.actor import Actor
from mcp.errors import Forbidden
from mcp.events.services.audit import audit
from pods.errors import ImageUnavailable
from pods.models import Image

if TYPE_CHECKING:
    from pods.images.store import BuiltImage


def register_image(*, actor: Actor, built: BuiltImage) -> Image:
    """Record a built image; the same slug, version and checksum again is a no-op. Raises Forbidden.

    Other bytes under a version that is known (built anew after the archive was lost) replace it; hosts' copies no longer count.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation register images.")
    with transaction.atomic():
        before = Image.objects.select_for_update().filter(slug=built.slug, version=built.version).first()
        image, _ = Image.objects.update_or_create(
            slug=built.slug,
            version=built.version,
            defaults={
                "sha256": built.sha256,
                "size_bytes": built.size_bytes,
                "file": built.path.name,
                "os": built.os,
                "min_memory_mib": built.min_memory_mib,
                "min_disk_gib": built.min_disk_gib,
                "ready_port": built.ready_port,
            },
        )
        if before is None or before.sha256 != built.sha256:
            image.copies.all().delete()
            audit(
                "image.register",
                actor=actor.label,
                source=actor.source,
                target_type="image",
                target_id=image.pk,
                target_name=str(image),
                changes={"sha256": built.sha256},
            )
    return image


def find_image(wanted: str) -> Image:
    """`slug` (its newest active version) or `slug@version`. Raises ImageUnavailable naming what there is."""
    slug, _, version = wanted.partition("@")
    active = Image.objects.filter(state=Image.State.ACTIVE)
    found = active.filter(slug=slug).order_by("-created_at", "-version")
    image = (found.filter(version=version) if version else found).first()
    if image is None:
        slugs = sorted(set(active.values_list("slug", flat=True)))
        raise ImageUnavailable.on(
            "image", f"there is no active image {wanted[:80]!r}; choose one of {', '.join(slugs) or 'none yet'}."
        )
    return image


def find_any_image(wanted: str) -> Image:
    """As `find_image`, disabled ones included; for operators. Raises ImageUnavailable."""
    slug, _, version = wanted.partition("@")
    found = Image.objects.filter(slug=slug).order_by("-created_at", "-version")
    image = (found.filter(version=version) if version else found).first()
    if image is None:
        known = ", ".join(f"{i.slug}@{i.version}" for i in Image.objects.all()[:20])
        raise ImageUnavailable.on("image", f"there is no image {wanted[:80]!r}; there are: {known or 'none yet'}.")
    return image


def set_image_state(*, actor: Actor, image: Image, state: Image.State) -> Image:
    """Disable or enable; what was made from it goes on. Repeatable. Raises Forbidden."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation disable and enable images.")
    with transaction.atomic():
        changed = Image.objects.filter(pk=image.pk).exclude(state=state).update(state=state)
        if changed:
            audit(
                f"image.{state}", actor=actor.label, source=actor.source, target_type="image", target_id=image.pk,
                target_name=str(image),
            )  # fmt: skip
    image.refresh_from_db()
    return image
