"""Enable, disable or describe an image."""

from __future__ import annotations

from accounts.actor import Actor
from pods.models import Image
from pods.services.change import change_row


def edit_image(*, actor: Actor, image: Image, state: str | None = None, description: str | None = None) -> Image:
    """Apply what is given. Repeatable. Raises Forbidden, InvalidInput."""
    return change_row(image, actor=actor, noun="image", wanted={"state": state, "description": description})
