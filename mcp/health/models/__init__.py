"""Rows of health."""

from mcp.health.models.pulse import Pulse
from mcp.health.models.tally import Tally

__all__ = ["Pulse", "Tally"]
