"""Wait for the customer's `user_script` and put its end on the timeline. Changes nothing, so it excludes nothing."""

from __future__ import annotations

from typing import ClassVar

from accelerators.models import Accelerator
from accelerators.operations.subject import AcceleratorOperation, subject_of, tell
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.errors import Again
from mcp.operations.kinds import Data, Step, register
from pods.gear.errors import NoSuchGuest

LONGEST_S = 3600.0


def watch(ctx: StepContext) -> Data | None:
    """Ask for the script's result; come back while there is none, less and less often."""
    gone = Accelerator.objects.filter(pk=ctx.target_id, state__in=[State.DELETED, State.DELETING, State.FAILED]).exists()
    if gone:
        return {"gone": True}
    subject = subject_of(ctx)
    try:
        result = subject.gear.first_boot(subject.guest_id)
    except NoSuchGuest:
        return {"gone": True}
    if result is None:
        raise Again(min(0.5 * 1.3 ** ctx.record_of("script").attempt, 30.0), "The user script is running.")
    return {"exit_code": result.exit_code, "output": result.output}


@register
class WatchFirstBoot(AcceleratorOperation):
    """Ends with the script; after an hour it gives up watching and says so (the script itself is left alone)."""

    name = "accelerator.first_boot"
    title = "Waiting for the user script"
    exclusive = False
    steps: ClassVar[tuple[Step, ...]] = (Step("script", "Waiting for the user script", act=watch, timeout_s=LONGEST_S),)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """The exit code and the end of the output, on the timeline."""
        data = ctx.data("script")
        if outcome != "succeeded":
            tell(ctx, "accelerator.first_boot", "Stopped watching the user script; it had not ended.")
        elif "exit_code" in data:
            code = int(data["exit_code"])
            Accelerator.objects.filter(pk=ctx.target_id).update(first_boot_exit=code)
            ctx.operation.result = {"exit_code": code, "output": data["output"]}
            words = "succeeded" if code == 0 else f"failed with exit code {code}"
            tell(
                ctx,
                "accelerator.first_boot",
                f"The user script {words}.",
                {"exit_code": code, "output": data["output"]},
            )
