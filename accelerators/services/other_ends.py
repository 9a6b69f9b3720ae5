"""The second end of a move: room that is held under the operation's id until that host is proven clean."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mcp.operations.models import Operation
from pods.models import Allocation
from pods.services.claim import release

MOVE = "accelerator.move"


def other_ends(accelerator_id: UUID) -> Sequence[Allocation]:
    """Room that moves of this accelerator still hold, finished or not; their hosts may have something of it. One query."""
    moves = Operation.objects.filter(target_id=accelerator_id, kind=MOVE).values("pk")
    return list(Allocation.objects.filter(holder_id__in=moves).select_related("host__pod").order_by("host_id"))


def release_other_ends(accelerator_id: UUID) -> None:
    """Give that room back; repeatable. Only when those hosts are proven clean of the guest."""
    for allocation in other_ends(accelerator_id):
        release(allocation.holder_id)
