"""What all verbs on one accelerator share: lock account and row, check role and state, write the wish, submit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accelerators.errors import WrongState
from accelerators.models import Accelerator
from accelerators.services.target import target_of
from accelerators.states import TRANSITIONS, State
from accounts.actor import Actor
from accounts.models import Account
from accounts.services.limits import lock_account
from mcp.errors import NotFound
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from mcp.operations.models import Operation
from mcp.operations.services.submit import Wish, submit
from pods.models import Host

Check = Callable[[Accelerator], None]


# What a suspended account may still do: use less.
GIVING_BACK = frozenset({"accelerator.stop", "accelerator.trash", "accelerator.delete"})


def lock(accelerator_id: UUID, actor: Actor, *, giving_back: bool = False, taking_room: bool = False) -> Accelerator:
    """The row, locked after its account; the caller holds a transaction.

    With `taking_room` the host of a preemptible one is locked between the two: whoever looks at a host does it before
    the accelerators there.
    Raises NotFound for another account's, AccountSuspended unless something is given back or an operator asks.
    """
    rows = Accelerator.objects.all()
    if not actor.is_operator:
        rows = rows.filter(account=actor.demand_account())
    found = rows.filter(pk=accelerator_id).values_list("account_id", "host_id", "preemptible").first()
    if found is None:
        raise NotFound(f"There is no accelerator {accelerator_id} in this account.")
    account_id, host_id, preemptible = found
    if giving_back or actor.is_operator:
        Account.objects.select_for_update(no_key=True).get(pk=account_id)
    else:
        lock_account(account_id)
    if taking_room and preemptible and host_id is not None:
        Host.objects.select_for_update(no_key=True).values_list("pk").get(pk=host_id)
    held = rows.select_for_update(of=("self",), no_key=True)
    return held.select_related("pod", "account", "plan", "image").get(pk=accelerator_id)


def act(
    *,
    actor: Actor,
    accelerator_id: UUID,
    kind: str,
    into: State,
    verb: str,
    check: Check | None = None,
    prepare: Check | None = None,
    **changes: Any,
) -> tuple[Accelerator, Operation]:
    """Move to a passing state and submit the operation that carries it out, in one transaction.

    Raises NotFound, Forbidden, WrongState, OperationInProgress, and what `check` (before all else) and `prepare` (once
    the verb is known to be possible) raise.
    """
    actor.demand("accelerators.write")
    with transaction.atomic():
        accelerator = lock(accelerator_id, actor, giving_back=kind in GIVING_BACK, taking_room=prepare is not None)
        if check is not None:
            check(accelerator)
        if into not in TRANSITIONS[accelerator.state] and accelerator.state != into:
            raise WrongState(
                f"{accelerator.name} is {accelerator.state}; it cannot be {verb} now.",
                context={"state": accelerator.state, "verb": verb},
            )
        before = accelerator.state
        operation = submit(Wish(kind, target_of(accelerator, accelerator.pod), params={"before": before}), actor=actor.label)
        if prepare is not None:
            prepare(accelerator)
        Accelerator.objects.filter(pk=accelerator.pk).update(state=into, revision=F("revision") + 1, **changes)
        accelerator.refresh_from_db(fields=["state", "revision", *changes])
        emit(
            f"{kind}.requested", f"Asked to be {verb}.", target_type="accelerator", target_id=accelerator.pk,
            target_name=accelerator.name, account_id=accelerator.account_id, operation_id=operation.pk,
            actor=actor.label,
        )  # fmt: skip
        audit(
            kind, actor=actor.label, source=actor.source, account_id=accelerator.account_id, target_type="accelerator",
            target_id=accelerator.pk, target_name=accelerator.name, operation_id=operation.pk,
            changes={"state": [before, str(into)]},
        )  # fmt: skip
    return accelerator, operation
