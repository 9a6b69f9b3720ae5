"""Offer an image, or stop offering it."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from mcp.errors import Forbidden
from mcp.events.services.audit import audit
from pods.models import Image


def set_image_state(*, actor: Actor, image: Image, state: str) -> Image:
    """Active images make new guests; what runs of a disabled one goes on. Repeatable. Raises Forbidden."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation offer images.")
    with transaction.atomic():
        locked = Image.objects.select_for_update().get(pk=image.pk)
        if locked.state != state:
            locked.state = state
            locked.save(update_fields=["state"])
            audit(
                f"image.{state}", actor=actor.label, source=actor.source, target_type="image", target_id=locked.pk,
                target_name=str(locked),
            )  # fmt: skip
    return locked
