"""Enable, disable or describe an image, and say what a host must have to run it."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.actor import Actor
from pods.models import Image
from pods.services.change import change_row


def edit_image(
    *,
    actor: Actor,
    image: Image,
    state: str | None = None,
    description: str | None = None,
    required_traits: Sequence[str] | None = None,
) -> Image:
    """Apply what is given. Repeatable. Raises Forbidden, InvalidInput."""
    traits = None if required_traits is None else list(required_traits)
    return change_row(
        image, actor=actor, noun="image", wanted={"state": state, "description": description, "required_traits": traits}
    )
