"""Explanations of placements on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from pods.web.explained import Explained, explained

register = template.Library()


@register.simple_tag
def explain(kept: Mapping[str, Any] | None) -> Explained | None:
    """What is kept of a decision, ready to be shown."""
    return explained(kept)
