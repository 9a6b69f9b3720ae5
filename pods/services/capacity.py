"""How much is promised and how much is left, by pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pods.placement.request import DIMENSIONS
from pods.services.sums import Sums, live_by_pod, total


def capacity_by_pod() -> list[dict[str, Any]]:
    """Sums over hosts that are not retired; `free` counts only hosts that take guests. At most `MCP_SUMS_S` seconds old."""
    return [_line(lines) for lines in live_by_pod().values()]


def _line(lines: Sequence[Sums]) -> dict[str, Any]:
    taking = [line for line in lines if line.taking]
    dimensions = {
        dimension: {
            "cap": total(lines, f"cap_{dimension}"),
            "used": total(lines, f"used_{dimension}"),
            "free": total(taking, f"cap_{dimension}") - total(taking, f"used_{dimension}"),
        }
        for dimension in DIMENSIONS
    }
    return {
        "pod": lines[0].pod, "state": lines[0].pod_state, "hosts": sum(line.hosts for line in lines),
        "taking_guests": sum(line.hosts for line in taking), "guests": sum(line.guests for line in lines), **dimensions,
    }  # fmt: skip
