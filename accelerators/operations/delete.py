"""Into the trash, out of it, and gone for good."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone

from accelerators.models import Tag
from accelerators.operations.steps import CONFIGURE, REACH, START, STOP, unbuild
from accelerators.operations.subject import AcceleratorOperation, enter, leave_room, observed, subject_of, tell
from accelerators.services.other_ends import other_ends, release_other_ends
from accelerators.services.release import release_holdings, remember
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.kinds import Data, Step, register
from pods.gear.errors import NoSuchGuest
from pods.services.gear import hypervisor_of


def stop_if_there(ctx: StepContext) -> Data | None:
    """Shut down; a guest that is not there any more is stopped enough."""
    try:
        return STOP.act(ctx) if STOP.act else None
    except NoSuchGuest:
        return None


def unbuild_everywhere(ctx: StepContext) -> Data | None:
    """Remove whatever exists of the guest, also at the other end of a move that this deletion replaced."""
    unbuild(ctx)
    subject = subject_of(ctx)
    for end in other_ends(ctx.target_id):
        hypervisor_of(end.host).destroy(subject.guest_id, fence=ctx.fence)
    return None


@register
class TrashAccelerator(AcceleratorOperation):
    """Stop it and keep it, with its disk and address, until the trash's clock runs out."""

    name = "accelerator.trash"
    title = "Moving the accelerator to the trash"
    steps: ClassVar[tuple[Step, ...]] = (Step("stop", STOP.title, act=stop_if_there, timeout_s=STOP.timeout_s),)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """In the trash with its clock running; or stopped, if that was cancelled or failed."""
        if outcome == "succeeded":
            enter(ctx, State.TRASHED, preempt_at=None, **observed(ctx, "stop"))
            leave_room(ctx)
            tell(ctx, "accelerator.trashed", "Moved to the trash; it can be restored until the clock runs out.")
            return
        enter(ctx, State.STOPPED, power_wanted="stopped", trash_until=None)
        tell(ctx, "accelerator.trash_failed", f"Not moved to the trash: {ctx.operation.error_message}")


@register
class UndeleteAccelerator(AcceleratorOperation):
    """Out of the trash and running again."""

    name = "accelerator.undelete"
    title = "Restoring the accelerator from the trash"
    steps: ClassVar[tuple[Step, ...]] = (CONFIGURE, START, REACH)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Running again, or back in the trash."""
        if outcome == "succeeded":
            enter(ctx, State.RUNNING, trash_until=None, **observed(ctx, "start"))
            tell(ctx, "accelerator.restored", "Restored from the trash and running.")
            return
        enter(ctx, State.TRASHED)
        tell(ctx, "accelerator.restore_failed", f"Not restored: {ctx.operation.error_message}")


@register
class DeleteAccelerator(AcceleratorOperation):
    """Always accepted; replaces whatever is at work. Room and address are given back once the host is proven clean."""

    name = "accelerator.delete"
    title = "Deleting the accelerator"
    cancellable = False
    gives_up = False
    supersedes = True
    steps: ClassVar[tuple[Step, ...]] = (Step("destroy", "Removing it from its host", act=unbuild_everywhere, timeout_s=300),)

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """Gone, and everything it held given back. There is no other outcome: a deletion never gives up."""
        now = timezone.now()
        last_known = remember(subject_of(ctx).accelerator, now)
        release_holdings(ctx.target_id)
        release_other_ends(ctx.target_id)
        enter(
            ctx, State.DELETED, power_wanted="stopped", power_observed="stopped", host=None, trash_until=None,
            deleted_at=now, last_known=last_known, sealed_user_script="",
        )  # fmt: skip
        Tag.objects.filter(accelerator_id=ctx.target_id).delete()
        tell(ctx, "accelerator.deleted", "Deleted; nothing of it is left.")
