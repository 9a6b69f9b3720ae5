"""Sums over the hosts of each pod: the one reading of all hosts that pages, metrics and the catalogue share.

It is as large as the fleet has hosts (some ten milliseconds for 10,000), so it is kept for `MCP_SUMS_S` seconds. What decides
anything (a claim, a limit) never reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Sum

from mcp.remember import forget, remembered
from pods.models import Host, ImageCopy
from pods.placement.request import DIMENSIONS
from pods.states import HostDuty, PodState

KEY = "pods.sums"
COPIES = "pods.image_copies"
COLUMNS = tuple(f"{side}_{dimension}" for side in ("cap", "used") for dimension in DIMENSIONS)


@dataclass(frozen=True, slots=True)
class Sums:
    """Hosts of one pod that are alike: their number, guests, and the sums of their `cap_*` and `used_*` by name."""

    pod_id: UUID
    pod: str
    pod_state: str
    duty: str
    reachable: bool
    kinds: tuple[str, ...]
    hosts: int
    guests: int
    amounts: dict[str, int]

    @property
    def taking(self) -> bool:
        """Whether they take new guests."""
        return self.duty == HostDuty.ACTIVE and self.reachable and self.pod_state == PodState.OPEN


def fleet_sums() -> list[Sums]:
    """All hosts, retired ones included, by pod's slug; at most `MCP_SUMS_S` seconds old."""
    return remembered(KEY, settings.SUMS_S, _read)


def _read() -> list[Sums]:
    """One query, answered in groups."""
    by = ("pod_id", "pod__slug", "pod__state", "duty", "reachable", "kinds")
    sums = {f"sum_{name}": Sum(name) for name in (*COLUMNS, "guests")}
    rows: list[Any] = list(Host.objects.values(*by).annotate(n=Count("pk"), **sums).order_by("pod__slug", "pod_id"))
    return [
        Sums(
            row["pod_id"], row["pod__slug"], row["pod__state"], row["duty"], row["reachable"], tuple(row["kinds"]), row["n"],
            row["sum_guests"], {name: row[f"sum_{name}"] for name in COLUMNS},
        )
        for row in rows
    ]  # fmt: skip


def live_by_pod() -> dict[UUID, list[Sums]]:
    """Those of hosts that are not retired."""
    found: dict[UUID, list[Sums]] = defaultdict(list)
    for line in fleet_sums():
        if line.duty != HostDuty.RETIRED:
            found[line.pod_id].append(line)
    return dict(found)


def kinds_by_pod() -> dict[UUID, list[str]]:
    """What each pod's hosts can run."""
    return {pod: sorted({kind for line in lines for kind in line.kinds}) for pod, lines in live_by_pod().items()}


def total(lines: Iterable[Sums], name: str) -> int:
    """The sum of one column."""
    return sum(line.amounts[name] for line in lines)


def copies_by_image() -> dict[UUID, int]:
    """How many hosts have each image; as old as the sums."""
    return remembered(COPIES, settings.SUMS_S, _read_copies)


def _read_copies() -> dict[UUID, int]:
    return dict(ImageCopy.objects.order_by().values_list("image_id").annotate(n=Count("pk")))


def forget_sums() -> None:
    """After an operator changed what hosts there are or what is wanted of them: the next page shows it."""
    forget(KEY)
