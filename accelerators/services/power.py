"""Start, stop, restart."""

from __future__ import annotations

from uuid import UUID

from accelerators.models import Accelerator
from accelerators.services.act import act
from accelerators.services.idle_room import RETURNED, hold_idle_room
from accelerators.states import State
from accounts.actor import Actor
from mcp.operations.models import Operation


def start(*, actor: Actor, accelerator_id: UUID) -> tuple[Accelerator, Operation]:
    """Start a stopped accelerator. Raises WrongState, OperationInProgress, NotFound, Forbidden.

    A preemptible one takes idle room on its host first: raises NotLending, NoIdleRoom.
    """
    return act(
        actor=actor, accelerator_id=accelerator_id, kind="accelerator.start", into=State.STARTING, verb="started",
        prepare=hold_idle_room, power_wanted="running", **RETURNED,
    )  # fmt: skip


def stop(*, actor: Actor, accelerator_id: UUID) -> tuple[Accelerator, Operation]:
    """Stop a running accelerator. Raises WrongState, OperationInProgress, NotFound, Forbidden."""
    return act(
        actor=actor, accelerator_id=accelerator_id, kind="accelerator.stop", into=State.STOPPING, verb="stopped",
        power_wanted="stopped",
    )  # fmt: skip


def restart(*, actor: Actor, accelerator_id: UUID) -> tuple[Accelerator, Operation]:
    """Stop and start a running accelerator. Raises WrongState, OperationInProgress, NotFound, Forbidden.

    NotLending and NoIdleRoom for a preemptible one that runs without having taken room.
    """
    return act(
        actor=actor, accelerator_id=accelerator_id, kind="accelerator.restart", into=State.RESTARTING,
        verb="restarted", prepare=hold_idle_room, power_wanted="running", **RETURNED,
    )  # fmt: skip
