"""Mend what a host lost or changed: build a missing guest anew, or apply its limits again."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.act import act, lock
from accelerators.services.idle_room import RETURNED, hold_idle_room
from accelerators.services.target import target_of
from accelerators.states import State
from accounts.actor import Actor
from mcp.errors import Forbidden
from mcp.operations.models import Operation
from mcp.operations.services.submit import Wish, submit


def remake(*, actor: Actor, accelerator_id: UUID) -> tuple[Accelerator, Operation]:
    """Build a guest that vanished from its host again, from its image, at its address. What was on its disk is lost.

    Operators only, as the answer to a finding. Raises Forbidden, WrongState, OperationInProgress,
    and for a preemptible one NotLending, NoIdleRoom.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators build a vanished guest anew.")
    return act(
        actor=actor, accelerator_id=accelerator_id, kind="accelerator.remake", into=State.RESTORING,
        verb="built anew", prepare=hold_idle_room, power_wanted="running", missing_since=None, **RETURNED,
    )  # fmt: skip


def reapply_limits(*, actor: Actor, accelerator_id: UUID) -> tuple[Accelerator, Operation]:
    """Converge a guest's limits to its plan, running or not; its state stays.

    Raises OperationInProgress, WrongState (it is being moved), NotFound.
    """
    actor.demand("accelerators.write")
    with transaction.atomic():
        accelerator = lock(accelerator_id, actor)
        if accelerator.state == State.MOVING:  # a move that waits for an operator would be replaced, and never finished
            raise WrongState(f"{accelerator.name} is being moved; its limits are applied there.")
        wish = Wish("accelerator.configure", target_of(accelerator, accelerator.pod))
        return accelerator, submit(wish, actor=actor.label)
