"""What the doctor looks at across accelerators: rows that hold what they should not, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, OuterRef, QuerySet

from accelerators.models import Accelerator
from accelerators.services.other_ends import MOVE
from accelerators.services.preempt import LEAVING
from accelerators.states import State
from mcp.health.doctor import Finding, Level, examines
from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE
from pods.models import Address, Allocation, Host, Image, Network
from pods.services.spot import OVERFULL
from pods.states import AddressState

SHOWN = 5
HOLDS_NOTHING = (State.FAILED, State.DELETED)
REPORT = "Report this with the operation of that accelerator (`./manage.py operation list --target NAME`): it is a bug."


def _holders() -> QuerySet[Accelerator]:
    return Accelerator.objects.exclude(state__in=HOLDS_NOTHING)


@examines("addresses")
def addresses_have_holders() -> Iterator[Finding]:
    """Addresses held by nothing, and accelerators without an address where their pod has a network."""
    held = Address.objects.filter(state=AddressState.ASSIGNED)
    lost = held.filter(~Exists(_holders().filter(pk=OuterRef("holder_id"))))
    for row in lost.order_by("id")[:SHOWN]:
        yield Finding(Level.FAIL, "addresses", f"{row.ip} is held by {row.holder_id}, which does not exist (any more).", REPORT)
    bare = _holders().filter(
        Exists(Network.objects.filter(pod=OuterRef("pod"))), ~Exists(held.filter(holder_id=OuterRef("pk")))
    )  # fmt: skip
    for accelerator in bare.order_by("pk")[:SHOWN]:
        yield Finding(Level.FAIL, "addresses", f"{accelerator.name} ({accelerator.pk}) has no address.", REPORT)


@examines("allocations")
def allocations_have_holders() -> Iterator[Finding]:
    """Room promised to nothing, and accelerators without room."""
    moving = Operation.objects.filter(pk=OuterRef("holder_id"), kind=MOVE, state__in=sorted(ACTIVE))
    held = Exists(_holders().filter(pk=OuterRef("holder_id"))) | Exists(moving)
    lost = Allocation.objects.filter(~held).select_related("host")
    for row in lost.order_by("id")[:SHOWN]:
        yield Finding(
            Level.FAIL, "allocations", f"{row.host.name} keeps room for {row.holder_id}, which does not exist (any more).", REPORT
        )  # fmt: skip
    bare = _holders().filter(~Exists(Allocation.objects.filter(holder_id=OuterRef("pk"))))
    for accelerator in bare.order_by("pk")[:SHOWN]:
        yield Finding(Level.FAIL, "allocations", f"{accelerator.name} ({accelerator.pk}) has no room on any host.", REPORT)


@examines("passing states")
def passing_states_have_operations() -> Iterator[Finding]:
    """Accelerators that are on their way somewhere while no operation takes them there."""
    passing = (
        State.PROVISIONING,
        State.STARTING,
        State.STOPPING,
        State.RESTARTING,
        State.DELETING,
        State.RESTORING,
        State.MOVING,
    )
    at_work = Operation.objects.filter(target_id=OuterRef("pk"), state__in=sorted(ACTIVE))
    for row in Accelerator.objects.filter(~Exists(at_work), state__in=passing).order_by("pk")[:SHOWN]:
        yield Finding(
            Level.FAIL, "passing states", f"{row.name} ({row.pk}) is {row.state}, and no operation works on it.", REPORT
        )


@examines("lent room")
def lent_room_comes_back() -> Iterator[Finding]:
    """Hosts that hold more than they may, with nobody on the way out; the clock sends somebody away within half a minute."""
    lodging = Allocation.objects.filter(host=OuterRef(OuterRef("pk")), preemptible=True, memory_mib__gt=0)
    leaving = Operation.objects.filter(target_id__in=lodging.values("holder_id"), kind__in=LEAVING, state__in=sorted(ACTIVE))
    for host in (
        Host.objects.filter(OVERFULL, ~Exists(leaving), spot_memory_mib__gt=0).select_related("pod").order_by("name")[:SHOWN]
    ):
        yield Finding(
            Level.WARN, "lent room", f"{host.pod.slug}/{host.name} holds more than it may, and nobody is on the way out.",
            "If it lasts for more than a minute: does the clock run? `./manage.py doctor --only worker`.",
        )  # fmt: skip


@examines("images")
def images_are_there() -> Iterator[Finding]:
    """Active images whose file is gone; hosts that have no copy yet could not be given one. Simulated ones have none."""
    for image in Image.objects.filter(state=Image.State.ACTIVE).exclude(version="simulated"):
        path = image.ref.path
        if not path.exists():
            yield Finding(
                Level.FAIL, "images", f"{image} is active and its file {path} is gone.",
                f"Bring it back, or build it again and `./manage.py image disable {image.slug}@{image.version}`.",
            )  # fmt: skip
        elif path.stat().st_size != image.size_bytes:
            yield Finding(
                Level.FAIL, "images", f"{path} is not the size on record.", f"./manage.py image build {image.slug} --force"
            )
