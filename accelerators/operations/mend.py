"""Mend a guest: build a vanished one anew, or apply its limits again."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.operations.steps import BUILD, CONFIGURE, IMAGE, REACH, START
from accelerators.operations.subject import AcceleratorOperation, enter, observed, tell
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.kinds import Step, register


@register
class RemakeAccelerator(AcceleratorOperation):
    """The steps of a create, for an accelerator whose guest vanished; its room and address are still its own."""

    name = "accelerator.remake"
    title = "Building the accelerator anew"
    steps: ClassVar[tuple[Step, ...]] = (IMAGE, Step("build", BUILD.title, act=BUILD.act, timeout_s=300), START, REACH)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Running; or stopped, and the reconciler says what it finds."""
        if outcome == "succeeded":
            enter(ctx, State.RUNNING, **observed(ctx, "start"))
            tell(ctx, "accelerator.remade", "Its guest had vanished from its host; it was built anew from its image.")
            return
        enter(ctx, State.STOPPED)
        tell(ctx, "accelerator.remake_failed", f"Not built anew: {ctx.operation.error_message}")


@register
class ConfigureAccelerator(AcceleratorOperation):
    """Converge limits, name and keys; the guest runs on."""

    name = "accelerator.configure"
    title = "Applying the accelerator's limits"
    steps: ClassVar[tuple[Step, ...]] = (CONFIGURE,)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """The state stays; observations older than this are not believed."""
        Accelerator.objects.filter(pk=ctx.target_id).update(settled_at=timezone.now())
        if outcome == "succeeded":
            tell(ctx, "accelerator.configured", "Its limits were applied again.")
