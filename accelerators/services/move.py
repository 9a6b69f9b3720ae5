"""Move an accelerator to another host of its pod."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.act import lock
from accelerators.services.other_ends import MOVE, other_ends
from accelerators.services.target import target_of
from accelerators.states import MOVABLE, State
from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from mcp.ids import new_id
from mcp.operations.models import Operation
from mcp.operations.services.submit import Wish, submit
from pods.models import Allocation, Host
from pods.services.gear import hypervisor_of
from pods.services.held_move import hold


def move(*, actor: Actor, accelerator_id: UUID, target: Host) -> tuple[Accelerator, Operation]:
    """Claim room on `target` and submit the move there, in one transaction. A running guest is stopped for it, where its

    host's driver allows that; elsewhere only stopped ones move. Raises Forbidden, NotFound, WrongState, InvalidInput,
    OperationInProgress, CapacityExhausted (with the reason), PlacementContended.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation move accelerators between hosts.")
    with transaction.atomic():
        accelerator = lock(accelerator_id, actor)
        source = Host.objects.select_related("pod").get(pk=_settled_host(accelerator))
        refuse_unmovable(accelerator, source)
        _check_target(accelerator, source, target)
        operation = _submit(actor, accelerator, source, target)
        hold(allocation=Allocation.objects.get(holder_id=accelerator.pk), target=target, move_id=operation.pk)
        Accelerator.objects.filter(pk=accelerator.pk).update(state=State.MOVING, revision=F("revision") + 1)
        _note(actor, accelerator, operation, source, target)
        accelerator.refresh_from_db(fields=["state", "revision"])
    return accelerator, operation


def _settled_host(accelerator: Accelerator) -> UUID:
    if accelerator.state not in MOVABLE or accelerator.host_id is None:
        raise WrongState(
            f"{accelerator.name} is {accelerator.state}; it cannot be moved now.",
            context={"state": accelerator.state, "verb": "moved"},
        )
    return accelerator.host_id


def refuse_unmovable(accelerator: Accelerator, source: Host) -> None:
    """Raises WrongState for a running guest on a host whose driver moves only stopped ones."""
    if accelerator.state == State.RUNNING and not hypervisor_of(source).capabilities.moves_running:
        raise WrongState(
            f"{accelerator.name} runs, and on its host only stopped guests can be moved; stop it first.",
            context={"state": accelerator.state, "verb": "moved"},
        )


def _check_target(accelerator: Accelerator, source: Host, target: Host) -> None:
    if target.pk == source.pk:
        raise InvalidInput.on("target", f"{accelerator.name} is on {target.name} already.")
    if target.pod_id != source.pod_id or target.driver != source.driver:
        raise InvalidInput.on("target", "choose a host of the same pod and driver: its address belongs to the pod's network.")
    if other_ends(accelerator.pk):
        raise Conflict(f"An earlier move of {accelerator.name} still holds a host; wait until it has ended.")


def _submit(actor: Actor, accelerator: Accelerator, source: Host, target: Host) -> Operation:
    """It takes a place in the lanes of both hosts."""
    base = target_of(accelerator, source.pod)
    lanes = (*base.lanes, target.lane)
    params = {"before": accelerator.state, "from": str(source.pk), "to": str(target.pk)}
    return submit(Wish(MOVE, replace(base, lanes=lanes), params=params, id=new_id()), actor=actor.label)


def _note(actor: Actor, accelerator: Accelerator, operation: Operation, source: Host, target: Host) -> None:
    """Customers read that it moves, and never from where to where."""
    emit(
        f"{MOVE}.requested", "It is being moved to another host.", target_type="accelerator", target_id=accelerator.pk,
        target_name=accelerator.name, account_id=accelerator.account_id, operation_id=operation.pk, actor=actor.label,
    )  # fmt: skip
    audit(
        MOVE, actor=actor.label, source=actor.source, account_id=accelerator.account_id, target_type="accelerator",
        target_id=accelerator.pk, target_name=accelerator.name, operation_id=operation.pk,
        changes={"host": [source.name, target.name]},
    )  # fmt: skip
