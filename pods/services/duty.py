"""What the operator wants of a host: active, maintenance, draining, retired."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from pods.errors import HostBusy
from pods.models import Host
from pods.services.sums import forget_sums
from pods.states import DUTY_TRANSITIONS, HostDuty


def set_duty(*, actor: Actor, host: Host, duty: HostDuty, reason: str = "") -> Host:
    """Change a host's duty; asking for the present one is a no-op.

    Raises Conflict for a change that the table does not allow, HostBusy when a host with guests is to be retired.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    with transaction.atomic():
        locked = Host.objects.select_for_update().get(pk=host.pk)
        before = locked.duty
        if before == duty:
            return locked
        if duty not in DUTY_TRANSITIONS[before]:
            allowed = ", ".join(sorted(DUTY_TRANSITIONS[before])) or "nothing: enrol the machine again"
            raise Conflict(f"A host in {before} cannot go to {duty}; possible: {allowed}.")
        if duty == HostDuty.RETIRED and locked.guests:
            raise HostBusy(f"{locked.name} still holds {locked.guests} guests; delete or move them first.")
        locked.duty, locked.duty_reason = duty, reason[:200]
        locked.save(update_fields=["duty", "duty_reason"])
        transaction.on_commit(forget_sums)
        emit(
            f"host.{duty}",
            f"{locked.name} is now {duty}.",
            target_type="host",
            target_id=host.pk,
            target_name=host.name,
        )
        audit(
            "host.duty", actor=actor.label, source=actor.source, target_type="host", target_id=host.pk,
            target_name=host.name, changes={"before": before, "after": str(duty), "reason": reason},
        )  # fmt: skip
    return locked
