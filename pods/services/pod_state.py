"""Open, drain and close pods."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from mcp.errors import Forbidden
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from pods.models import Pod
from pods.services.sums import forget_sums
from pods.states import PodState


def set_pod_state(*, actor: Actor, pod: Pod, state: PodState) -> Pod:
    """Change whether a pod takes new guests; what runs there goes on. Repeatable. Raises Forbidden."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    with transaction.atomic():
        locked = Pod.objects.select_for_update().get(pk=pod.pk)
        before = locked.state
        if before == state:
            return locked
        locked.state = state
        locked.save(update_fields=["state"])
        transaction.on_commit(forget_sums)
        emit(f"pod.{state}", f"{locked.slug} is now {state}.", target_type="pod", target_id=pod.pk, target_name=pod.slug)
        audit(
            "pod.state", actor=actor.label, source=actor.source, target_type="pod", target_id=pod.pk, target_name=pod.slug,
            changes={"before": before, "after": str(state)},
        )  # fmt: skip
    return locked
