"""Steps that several kinds share."""

from __future__ import annotations

from django.utils import timezone

from accelerators.operations.subject import STOP_TIMEOUT_S, seen, subject_of
from mcp.operations.context import StepContext
from mcp.operations.errors import Again
from mcp.operations.kinds import Data, Step
from pods.models import ImageCopy

# How long one look for an open port lasts before the worker is given back for a moment.
REACH_S = 5.0


def fetch_image(ctx: StepContext) -> Data | None:
    """Make sure that the host has the image; known copies cost no round trip."""
    subject = subject_of(ctx)
    image, host = subject.accelerator.image, subject.accelerator.host
    known = ImageCopy.objects.filter(image=image, host=host).exists()
    if known and ctx.record_of("image").attempt == 1:
        return {"copied": False}
    subject.gear.ensure_image(subject.spec.image, progress=ctx.tell)
    ImageCopy.objects.update_or_create(image=image, host=host, defaults={"verified_at": timezone.now()})
    return {"copied": True}


def build(ctx: StepContext) -> Data | None:
    """Root, configuration and port of the guest."""
    subject = subject_of(ctx)
    return seen(subject.gear.create(subject.spec, fence=ctx.fence))


def unbuild(ctx: StepContext) -> Data | None:
    """Remove whatever exists of the guest."""
    subject = subject_of(ctx)
    if subject.hypervisor is not None:
        subject.hypervisor.destroy(subject.guest_id, fence=ctx.fence)
    return None


def start(ctx: StepContext) -> Data | None:
    """Boot the guest."""
    subject = subject_of(ctx)
    return seen(subject.gear.start(subject.guest_id, fence=ctx.fence))


def reach(ctx: StepContext) -> Data | None:
    """Wait until the guest answers on the image's port; comes back instead of holding the worker for long."""
    subject = subject_of(ctx)
    port = subject.accelerator.image.ready_port
    if not subject.gear.wait_listening(subject.guest_id, port, REACH_S):
        raise Again(1.0, f"Waiting for the guest to answer on port {port}." if port else "Waiting for the guest to boot.")
    return None


def stop(ctx: StepContext) -> Data | None:
    """Shut the guest down, cleanly if it lets us."""
    subject = subject_of(ctx)
    return seen(subject.gear.stop(subject.guest_id, fence=ctx.fence, timeout_s=STOP_TIMEOUT_S))


def configure(ctx: StepContext) -> Data | None:
    """Converge name, keys and limits of the guest."""
    subject = subject_of(ctx)
    return seen(subject.gear.configure(subject.spec, fence=ctx.fence))


IMAGE = Step("image", "Copying the image to the host", act=fetch_image, timeout_s=1800, weight=2)
BUILD = Step("build", "Building the file system and the network port", act=build, undo=unbuild, timeout_s=300)
CONFIGURE = Step("configure", "Applying name, keys and limits", act=configure)
START = Step("start", "Booting", act=start)
REACH = Step("reach", "Waiting until it answers", act=reach, timeout_s=180, weight=2)
STOP = Step("stop", "Shutting down", act=stop, timeout_s=STOP_TIMEOUT_S + 60)
