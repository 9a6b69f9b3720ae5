"""Start, stop and restart."""

from __future__ import annotations

from typing import ClassVar

from accelerators.operations.steps import CONFIGURE, REACH, START, STOP
from accelerators.operations.subject import AcceleratorOperation, enter, leave_room, observed, tell
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.kinds import Step, register


@register
class StartAccelerator(AcceleratorOperation):
    """Converge its configuration, boot it, wait until it answers."""

    name = "accelerator.start"
    title = "Starting the accelerator"
    steps: ClassVar[tuple[Step, ...]] = (CONFIGURE, START, REACH)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Running; or stopped, as far as we know, and the reconciler looks again."""
        if outcome == "succeeded":
            enter(ctx, State.RUNNING, **observed(ctx, "start"))
            tell(ctx, "accelerator.running", "Started.")
            return
        enter(ctx, State.STOPPED, power_wanted="stopped")
        tell(ctx, "accelerator.start_failed", f"Not started: {ctx.operation.error_message}")


@register
class StopAccelerator(AcceleratorOperation):
    """Shut down through the guest's init; after half a minute it is switched off."""

    name = "accelerator.stop"
    title = "Stopping the accelerator"
    steps: ClassVar[tuple[Step, ...]] = (STOP,)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Stopped; or still running, as far as we know, and the reconciler looks again."""
        if outcome == "succeeded":
            enter(ctx, State.STOPPED, preempt_at=None, **observed(ctx, "stop"))
            leave_room(ctx)
            tell(ctx, "accelerator.stopped", "Stopped.")
            return
        enter(ctx, State.RUNNING, power_wanted="running")
        tell(ctx, "accelerator.stop_failed", f"Not stopped: {ctx.operation.error_message}")


@register
class RestartAccelerator(AcceleratorOperation):
    """Stop, converge, start, wait until it answers."""

    name = "accelerator.restart"
    title = "Restarting the accelerator"
    steps: ClassVar[tuple[Step, ...]] = (STOP, CONFIGURE, START, REACH)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Running; or stopped if it was stopped and would not come up, and the reconciler looks again."""
        if outcome == "succeeded":
            enter(ctx, State.RUNNING, **observed(ctx, "start"))
            tell(ctx, "accelerator.running", "Restarted.")
            return
        was_stopped = bool(ctx.data("stop"))
        enter(ctx, State.STOPPED if was_stopped else State.RUNNING)
        tell(ctx, "accelerator.restart_failed", f"Not restarted: {ctx.operation.error_message}")
