"""Make an accelerator. Capacity, address and id were claimed when the request was accepted; this builds what they promise."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.db.models import Max
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.operations.steps import BUILD, IMAGE, REACH, START, start
from accelerators.operations.subject import AcceleratorOperation, enter, observed, tell
from accelerators.services.release import release_holdings
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.errors import Again
from mcp.operations.kinds import Data, Step, register
from mcp.operations.services.submit import Target, Wish, submit
from pods.errors import RoomNotLeft
from pods.services.mishap import is_mishap, note_mishap
from pods.services.spot import overfull

# How long after their notice those who make room may take to leave, before the create gives up.
LEAVE_WITHIN_S = 600.0
LOOK_EVERY_S = 5.0


def start_in_its_room(ctx: StepContext) -> Data | None:
    """Boot the guest; where preemptible ones must leave first, not before they have."""
    if "room_by" in ctx.params:
        await_room(ctx, datetime.fromisoformat(ctx.params["room_by"]))
    return start(ctx)


def await_room(ctx: StepContext, by: datetime) -> None:
    """Come back until the host holds no more than it may. Raises RoomNotLeft when that takes too long."""
    host_id = Accelerator.objects.values_list("host_id", flat=True).get(pk=ctx.target_id)
    if host_id is None or not any(overfull(host_id)):
        return
    now = timezone.now()
    if now > by + timedelta(seconds=LEAVE_WITHIN_S):
        raise RoomNotLeft("The preemptible accelerators that were to make room did not leave in time; ask again.")
    told = Accelerator.objects.filter(host_id=host_id, preempt_at__isnull=False).aggregate(last=Max("preempt_at"))["last"]
    until = told or by
    pause = min(max((until - now).total_seconds(), 1.0), LOOK_EVERY_S)
    raise Again(pause, f"Waiting for preemptible accelerators to leave until {until:%H:%M:%S} UTC.")


# Meanwhile the guest is built: only running it takes processor and memory.
START_IN_ITS_ROOM = Step(START.name, START.title, act=start_in_its_room, timeout_s=30 * 86_400.0)


@register
class CreateAccelerator(AcceleratorOperation):
    """A failed create leaves nothing behind, bills nothing, and says so."""

    name = "accelerator.create"
    title = "Creating the accelerator"
    steps: ClassVar[tuple[Step, ...]] = (IMAGE, BUILD, START_IN_ITS_ROOM, REACH)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Running, or failed with everything given back."""
        if outcome == "succeeded":
            enter(ctx, State.RUNNING, **observed(ctx, "start"))
            tell(ctx, "accelerator.running", "Created and running.")
            _follow_first_boot(ctx)
            return
        if outcome == "failed" and is_mishap(ctx.operation.error_code):
            _blame_host(ctx)
        release_holdings(ctx.target_id)
        message = ctx.operation.error_message
        enter(
            ctx, State.FAILED, power_wanted="stopped", power_observed="stopped", host=None,
            failure_code=ctx.operation.error_code, failure_message=message,
        )  # fmt: skip
        tell(
            ctx, "accelerator.failed",
            f"Not created: {message} Nothing of it is left on any host and it costs nothing.",
            {"code": ctx.operation.error_code},
        )  # fmt: skip


def _blame_host(ctx: StepContext) -> None:
    """The host on which it failed is avoided for a while."""
    host_id = Accelerator.objects.filter(pk=ctx.target_id).values_list("host_id", flat=True).first()
    if host_id is not None:
        note_mishap(host_id)


def _follow_first_boot(ctx: StepContext) -> None:
    """A user script runs on after the guest answers; another operation waits for how it ends."""
    has_script = Accelerator.objects.filter(pk=ctx.target_id).exclude(sealed_user_script="").exists()
    if not has_script:
        return
    operation = ctx.operation
    target = Target(
        type="accelerator", id=operation.target_id, name=operation.target_name, account_id=operation.account_id,
        queue=operation.queue,
    )  # fmt: skip
    submit(Wish("accelerator.first_boot", target), actor=operation.actor)
