"""Make the hosts of a pod more alike."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from mcp.errors import InvalidInput
from pods.models import MoveRun, Pod
from pods.services.draw_moves import draw_rebalance
from pods.services.move_runs import demand_operator, write_run

MINIMUM_GAIN = 0.05


def rebalance(
    *, actor: Actor, pod: Pod, minimum_gain: float = MINIMUM_GAIN, parallel: int = 2, reason: str = ""
) -> MoveRun:  # fmt: skip
    """Plan moves that bring two hosts at least `minimum_gain` (0.05: five percentage points) nearer each, and let the clock
    begin them, `parallel` at once. An even pod gets a run that has ended.

    In a transaction that is rolled back it is the dry run. Raises Forbidden, InvalidInput, Conflict (one is live already).
    """
    demand_operator(actor, parallel)
    if not 0.001 <= minimum_gain <= 1:
        raise InvalidInput.on("minimum_gain", "choose 0.001 to 1: the share by which two hosts must come nearer.")
    with transaction.atomic():
        locked = Pod.objects.select_for_update().get(pk=pod.pk)
        drawn = draw_rebalance(locked, minimum_gain=minimum_gain, parallel=parallel)
        return write_run(
            drawn, actor=actor, purpose=MoveRun.Purpose.REBALANCE, pod=locked, host=None, parallel=parallel, reason=reason,
            minimum_gain=minimum_gain,
        )  # fmt: skip
