"""Delete: into the trash with a clock, or for good; and back out of the trash."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone

from accelerators.errors import Protected, WrongState
from accelerators.models import Accelerator
from accelerators.services.act import act
from accelerators.services.idle_room import RETURNED, hold_idle_room
from accelerators.states import State
from accounts.actor import Actor, system
from mcp.errors import ControlPlaneError
from mcp.operations.models import Operation

log = structlog.get_logger(__name__)

# States from which there is nothing worth keeping: the trash is skipped.
NOTHING_TO_KEEP = frozenset({State.PROVISIONING, State.FAILED, State.TRASHED, State.DELETING})


def delete(*, actor: Actor, accelerator_id: UUID, now: bool = False) -> tuple[Accelerator, Operation]:
    """Move to the trash, or with `now` remove for good; always accepted, whatever else is at work, unless protected.

    What was never running, has failed, or is in the trash already is removed for good at once.
    Raises Protected, WrongState (deleted already), NotFound, Forbidden; OperationInProgress when it is being deleted already.
    """
    account = None if actor.is_operator else actor.demand_account()
    rows = Accelerator.objects.filter(pk=accelerator_id)
    state = (rows if account is None else rows.filter(account=account)).values_list("state", flat=True).first()
    if now or state in NOTHING_TO_KEEP:
        return act(
            actor=actor, accelerator_id=accelerator_id, kind="accelerator.delete", into=State.DELETING, verb="deleted",
            check=_refuse_protected, power_wanted="stopped", protected=False,
        )  # fmt: skip
    return act(
        actor=actor, accelerator_id=accelerator_id, kind="accelerator.trash", into=State.DELETING, verb="deleted",
        check=_refuse_trash, power_wanted="stopped",
        trash_until=timezone.now() + timedelta(days=settings.TRASH_DAYS),
    )  # fmt: skip


def _refuse_protected(accelerator: Accelerator) -> None:
    if accelerator.protected:
        raise Protected(f"{accelerator.name} is protected against deletion; set protected to false first.")
    if accelerator.state == State.DELETED:
        raise WrongState(f"{accelerator.name} is deleted already.")


def _refuse_trash(accelerator: Accelerator) -> None:
    _refuse_protected(accelerator)
    if accelerator.state == State.MOVING:  # a move that waits for an operator would be replaced, and never finished
        raise WrongState(f"{accelerator.name} is being moved; wait for that, or delete it for good at once.")


def undelete(*, actor: Actor, accelerator_id: UUID) -> tuple[Accelerator, Operation]:
    """Bring an accelerator back from the trash and start it. Raises WrongState, NotFound, Forbidden.

    A preemptible one takes idle room on its host first: raises NotLending, NoIdleRoom.
    """
    return act(
        actor=actor, accelerator_id=accelerator_id, kind="accelerator.undelete", into=State.RESTORING, verb="restored",
        check=_demand_trashed, prepare=hold_idle_room, power_wanted="running", **RETURNED,
    )  # fmt: skip


def _demand_trashed(accelerator: Accelerator) -> None:
    if accelerator.state != State.TRASHED:
        raise WrongState(f"{accelerator.name} is {accelerator.state}; only what is in the trash can be restored.")


def empty_trash() -> int:
    """Delete for good what has lain in the trash long enough; repeatable. Answers how many deletions were submitted.

    What was protected in the trash stays there. One that is refused never keeps the rest.
    """
    due = Accelerator.objects.filter(state=State.TRASHED, trash_until__lte=timezone.now(), protected=False)
    overdue = list(due.order_by("trash_until").values_list("pk", flat=True)[:100])
    return sum(_delete_overdue(accelerator_id) for accelerator_id in overdue)


def _delete_overdue(accelerator_id: UUID) -> bool:
    try:
        act(
            actor=system("trash"), accelerator_id=accelerator_id, kind="accelerator.delete", into=State.DELETING,
            verb="deleted", check=_demand_overdue, power_wanted="stopped",
        )  # fmt: skip
    except ControlPlaneError as error:
        log.info("trash_kept", accelerator=str(accelerator_id), code=error.code, detail=error.detail)
        return False
    return True


def _demand_overdue(accelerator: Accelerator) -> None:
    """Looked at again under the lock: it may have been restored or protected since it was listed."""
    _refuse_protected(accelerator)
    _demand_trashed(accelerator)
