"""Make an accelerator. Capacity, address and id were claimed when the request was accepted; this builds what they promise."""

from __future__ import annotations

from typing import ClassVar

from accelerators.models import Accelerator
from accelerators.operations.steps import BUILD, IMAGE, REACH, START
from accelerators.operations.subject import AcceleratorOperation, enter, observed, tell
from accelerators.services.release import release_holdings
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.kinds import Step, register
from mcp.operations.services.submit import Target, Wish, submit


@register
class CreateAccelerator(AcceleratorOperation):
    """A failed create leaves nothing behind, bills nothing, and says so."""

    name = "accelerator.create"
    title = "Creating the accelerator"
    steps: ClassVar[tuple[Step, ...]] = (IMAGE, BUILD, START, REACH)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Running, or failed with everything given back."""
        if outcome == "succeeded":
            enter(ctx, State.RUNNING, **observed(ctx, "start"))
            tell(ctx, "accelerator.running", "Created and running.")
            _follow_first_boot(ctx)
            return
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
