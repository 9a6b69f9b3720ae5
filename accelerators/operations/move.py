"""Move an accelerator to another host of its pod: copied there, switched over in one transaction, removed from here.

The room on the new host was claimed when the move was accepted, under the operation's id. After the switch that id holds the
old host's room instead, until that host is proven clean. Before the switch a failure leaves the guest where it was and the
new host clean; after it there is only forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from accelerators.models import Accelerator
from accelerators.operations.steps import REACH_S
from accelerators.operations.subject import STOP_TIMEOUT_S, AcceleratorOperation, enter, observed, seen, spec_of, tell
from accelerators.services.other_ends import MOVE
from accelerators.states import State
from mcp.operations.context import StepContext
from mcp.operations.errors import Again
from mcp.operations.kinds import Data, Step, register
from pods.gear.errors import GearRefused, GearUnreachable
from pods.gear.hypervisor.base import GuestSpec, Hypervisor, Power
from pods.models import Allocation, Host
from pods.services.claim import release
from pods.services.gear import hypervisor_of
from pods.services.held_move import switch_over


@dataclass(frozen=True)
class Journey:
    """A move, read once per run. An end is asked for only by the steps that need it."""

    accelerator: Accelerator
    spec: GuestSpec
    source_host: Host
    target_host: Host
    was_running: bool

    @property
    def guest_id(self) -> str:
        """The same on both hosts."""
        return self.spec.guest_id

    @cached_property
    def source(self) -> Hypervisor:
        """The old host. Raises GearUnreachable while it is known not to answer."""
        return _open(self.source_host)

    @cached_property
    def target(self) -> Hypervisor:
        """The new host. Raises GearUnreachable while it is known not to answer."""
        return _open(self.target_host)


def _open(host: Host) -> Hypervisor:
    if not host.reachable:
        raise GearUnreachable(f"{host.name} has not answered since {host.last_seen_at or host.created_at:%F %T}.")
    return hypervisor_of(host)


def journey_of(ctx: StepContext) -> Journey:
    """The typed subject of a context."""
    subject = ctx.subject
    assert isinstance(subject, Journey)
    return subject


def halt(ctx: StepContext) -> Data | None:
    """Stop it, where moving a running guest is allowed; else see that it is stopped. What was read goes into the journal."""
    journey = journey_of(ctx)
    if journey.was_running:
        return seen(journey.source.stop(journey.guest_id, fence=ctx.fence, timeout_s=STOP_TIMEOUT_S))
    found = journey.source.observe(journey.guest_id)
    if found is not None and found.power is not Power.STOPPED:
        raise GearRefused(f"{journey.source_host.name}: {found.name} runs; stop it first.")
    return None


def resume(ctx: StepContext) -> Data | None:
    """Undo `halt`: it runs again where it was."""
    journey = journey_of(ctx)
    if journey.was_running:
        journey.source.start(journey.guest_id, fence=ctx.fence)
    return None


def copy(ctx: StepContext) -> Data | None:
    """Send its root from host to host through this worker, a piece at a time, and measure what arrived."""
    journey = journey_of(ctx)
    cargo = journey.source.measure(journey.guest_id)
    counted = _Counted(ctx, cargo.bytes)
    with journey.source.export(journey.guest_id, fence=ctx.fence) as stream:
        counted.stream = stream
        journey.target.receive(journey.spec, counted, cargo, fence=ctx.fence)
    return {"entries": cargo.entries, "bytes": cargo.bytes}


class _Counted:
    """A stream that tells how far it came. Raises LostLease out of a read when another worker took over."""

    def __init__(self, ctx: StepContext, expected: int) -> None:
        self._ctx, self._expected, self._passed = ctx, max(1, expected), 0
        self.stream: object = None

    def read(self, size: int, /) -> bytes:
        """See Readable."""
        data: bytes = self.stream.read(size)  # type: ignore[attr-defined]  # set before the first read
        self._passed += len(data)
        self._ctx.tell("Copying its file system", min(0.99, self._passed / self._expected))
        return data


def discard(ctx: StepContext) -> Data | None:
    """Undo `copy`: the new host is clean of it."""
    journey = journey_of(ctx)
    journey.target.destroy(journey.guest_id, fence=ctx.fence)
    return None


def switch(ctx: StepContext) -> None:
    """From here on it lives on the new host; the operation holds the old one's room."""
    arrived = switch_over(holder_id=ctx.target_id, move_id=ctx.operation.pk)
    Accelerator.objects.filter(pk=ctx.target_id).update(host=arrived.host_id, uid_slot=arrived.uid_slot)


def start(ctx: StepContext) -> Data | None:
    """Boot it there, if it ran."""
    journey = journey_of(ctx)
    if not journey.was_running:
        return None
    return seen(journey.target.start(journey.guest_id, fence=ctx.fence))


def reach(ctx: StepContext) -> Data | None:
    """Wait until it answers, if it ran."""
    journey = journey_of(ctx)
    port = journey.accelerator.image.ready_port
    if journey.was_running and not journey.target.wait_listening(journey.guest_id, port, REACH_S):
        raise Again(1.0, "Waiting for the guest to answer on its new host.")
    return None


def clean(ctx: StepContext) -> Data | None:
    """Remove it from the old host."""
    journey = journey_of(ctx)
    journey.source.destroy(journey.guest_id, fence=ctx.fence)
    return None


@register
class MoveAccelerator(AcceleratorOperation):
    """Its address, name, keys, limits and data go with it."""

    name = MOVE
    title = "Moving the accelerator to another host"
    point_of_no_return = "switch"
    steps: ClassVar[tuple[Step, ...]] = (
        Step("stop", "Shutting down", act=halt, undo=resume, timeout_s=STOP_TIMEOUT_S + 60),
        Step("copy", "Copying its file system", act=copy, undo=discard, timeout_s=6 * 3600, weight=6),
        Step("switch", "Switching over to the new host", record=switch),
        Step("start", "Booting", act=start),
        Step("reach", "Waiting until it answers", act=reach, timeout_s=180),
        Step("clean", "Removing it from the old host", act=clean, timeout_s=300),
    )

    def load(self, ctx: StepContext) -> Journey:
        """Five queries: the accelerator, its addresses, both hosts, and the number of its user ids on the new one."""
        accelerator = Accelerator.objects.select_related("account", "plan", "image", "pod").get(pk=ctx.target_id)
        hosts = {str(host.pk): host for host in Host.objects.select_related("pod").filter(pk__in=_ends(ctx))}
        arrival = Allocation.objects.get(holder_id__in=[ctx.operation.pk, accelerator.pk], host_id=ctx.params["to"])
        return Journey(
            accelerator, replace(spec_of(accelerator), uid_slot=arrival.uid_slot),
            source_host=hosts[ctx.params["from"]], target_host=hosts[ctx.params["to"]],
            was_running=ctx.params["before"] == State.RUNNING,
        )  # fmt: skip

    def settle(self, ctx: StepContext, outcome: str) -> None:
        """As it was before, there or here; the room that the operation held, of the host it is not on, is given back."""
        release(ctx.operation.pk)
        before = State(ctx.params["before"])
        if outcome == "succeeded":
            enter(ctx, before, **observed(ctx, "start" if before == State.RUNNING else "stop"))
            tell(ctx, "accelerator.moved", "Moved to another host; its address, data and limits are the same.")
            return
        enter(ctx, before)
        tell(ctx, "accelerator.move_failed", f"Not moved: {ctx.operation.error_message} It is where it was.")


def _ends(ctx: StepContext) -> list[str]:
    return [ctx.params["from"], ctx.params["to"]]
