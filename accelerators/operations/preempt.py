"""Stop a preemptible accelerator after notice, because a firm plan needs its room or its host stops lending.

The notice is a time in the accelerator's row. It outlives this operation: whoever evades it by stopping and starting over is
stopped when it is over all the same. The customer's own stop or deletion takes this operation's place.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.operations.delete import stop_if_there
from accelerators.operations.subject import STOP_TIMEOUT_S, AcceleratorOperation, enter, leave_room, observed, tell
from accelerators.states import PreemptReason, State
from mcp.operations.context import StepContext
from mcp.operations.errors import Again
from mcp.operations.kinds import Data, Step, register
from pods.models import Host
from pods.services.lending import schedule_of
from pods.services.spot import holds_spot, must_give_back, overfull

# How often it is asked whether the room is still needed.
ASK_EVERY_S = 20.0
LONGEST_S = 30 * 86_400.0


def reason_of(ctx: StepContext) -> PreemptReason:
    """Why it has to go."""
    return PreemptReason(ctx.params["reason"])


def give_notice(ctx: StepContext) -> None:
    """Say when and why; a notice that runs already keeps its time."""
    reason, until = reason_of(ctx), ctx.params.get("until")
    row = Accelerator.objects.get(pk=ctx.target_id)
    whole = timezone.now() + timedelta(seconds=settings.PREEMPT_NOTICE_S)
    at = row.preempt_at or (datetime.fromisoformat(until) if until else whole)
    Accelerator.objects.filter(pk=row.pk).update(preempt_at=at, preempt_reason=reason, revision=F("revision") + 1)
    tell(
        ctx, "accelerator.preempt_notice", f"Will be stopped at {at:%H:%M:%S} UTC, because {reason.label}.",
        {"stops_at": at.isoformat(), "reason": str(reason)},
    )  # fmt: skip


def wait_out(ctx: StepContext) -> Data | None:
    """Come back until the notice is over, or the room is not needed any more."""
    row = Accelerator.objects.select_related("host__pod").only("preempt_at", "host").get(pk=ctx.target_id)
    if row.host is None or not holds_spot(row.pk):
        return {"left": True}
    if not _needed(row.host):
        return {"called_off": True}
    at = row.preempt_at
    if at is not None and (left := (at - timezone.now()).total_seconds()) > 0:
        raise Again(min(left, ASK_EVERY_S), f"It will be stopped at {at:%H:%M:%S} UTC, because {reason_of(ctx).label}.")
    return None


def _needed(host: Host) -> bool:
    return any(overfull(host.pk)) or must_give_back(schedule_of(host), timezone.now())


def begin_to_stop(ctx: StepContext) -> None:
    """From here on people see it stopping."""
    if not ctx.data("wait"):
        Accelerator.objects.filter(pk=ctx.target_id, state=State.RUNNING).update(
            state=State.STOPPING, revision=F("revision") + 1
        )  # fmt: skip


def stop(ctx: StepContext) -> Data | None:
    """Shut down, unless it was called off or has left already."""
    return None if ctx.data("wait") else stop_if_there(ctx)


@register
class PreemptAccelerator(AcceleratorOperation):
    """Tell, wait, stop, give the room back. It never gives up: whoever was promised the room waits for it."""

    name = "accelerator.preempt"
    title = "Making room"
    cancellable = False
    gives_up = False
    yields_to = frozenset({"accelerator.stop", "accelerator.trash"})
    steps: ClassVar[tuple[Step, ...]] = (
        Step("notice", "Giving notice", record=give_notice),
        Step("wait", "Waiting until the notice is over", act=wait_out, record=begin_to_stop, timeout_s=LONGEST_S, weight=4),
        Step("stop", "Shutting down", act=stop, timeout_s=STOP_TIMEOUT_S + 60),
    )

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Stopped (or still in the trash), and processor and memory given back; disk, address and name stay."""
        waited = ctx.data("wait")
        if waited.get("called_off"):
            _settled(ctx, preempt_at=None, preempt_reason="")
            tell(ctx, "accelerator.preempt_called_off", "Will not be stopped after all: the room is not needed any more.")
            return
        if waited.get("left"):
            _settled(ctx, preempt_at=None)
            return
        trashed = Accelerator.objects.filter(pk=ctx.target_id, state=State.TRASHED).exists()
        left = {"power_wanted": "stopped", "preempt_at": None, "preempted_at": timezone.now(), **observed(ctx, "stop")}
        enter(ctx, State.TRASHED if trashed else State.STOPPED, **left)
        leave_room(ctx)
        why = reason_of(ctx).label.removesuffix(" then")
        tell(
            ctx, "accelerator.preempted", f"Stopped, because {why}. Its disk and address stay; start it when there is room.",
            {"reason": str(reason_of(ctx))},
        )  # fmt: skip


def _settled(ctx: StepContext, **changes: object) -> None:
    Accelerator.objects.filter(pk=ctx.target_id).update(settled_at=timezone.now(), revision=F("revision") + 1, **changes)
