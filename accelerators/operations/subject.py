"""What every operation on an accelerator needs: its guest as a plain spec, and the driver of its host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.states import State
from mcp.errors import ControlPlaneError
from mcp.events.services.emit import emit
from mcp.operations.context import StepContext
from mcp.operations.errors import LostLease
from mcp.operations.kinds import OperationKind
from mcp.secrets import unseal
from pods.gear.errors import GearError, GearUnreachable
from pods.gear.hypervisor.base import GuestObservation, GuestSpec, Hypervisor, Limits, Nic
from pods.gear.hypervisor.mac import mac_of
from pods.models import Address, Host
from pods.services.gear import hypervisor_of
from pods.services.spot import yield_spot

STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Subject:
    """An accelerator, read once per run. `hypervisor` is None when it has no host (any more)."""

    accelerator: Accelerator
    spec: GuestSpec
    hypervisor: Hypervisor | None

    @property
    def guest_id(self) -> str:
        """The guest's id on its host."""
        return self.spec.guest_id

    @property
    def gear(self) -> Hypervisor:
        """The driver, where a host is certain. Raises ControlPlaneError otherwise."""
        if self.hypervisor is None:
            raise ControlPlaneError(f"{self.accelerator.name} has no host.")
        return self.hypervisor


class AcceleratorOperation(OperationKind):
    """What all kinds on accelerators share."""

    def load(self, ctx: StepContext) -> Any:
        """A Subject: two queries, the accelerator with its relations, and its addresses with their networks."""
        accelerator = Accelerator.objects.select_related("account", "image", "pod", "host").get(pk=ctx.target_id)
        host = accelerator.host
        if host is not None and host.pod_id == accelerator.pod_id:
            host.pod = accelerator.pod
        if host is not None and not host.reachable:  # known not to answer: no thread need wait to learn it again
            raise GearUnreachable(f"{host.name} has not answered since {host.last_seen_at or host.created_at:%F %T}.")
        hypervisor = hypervisor_of(host) if host is not None else None
        return Subject(accelerator, spec_of(accelerator), hypervisor)

    def hold(self, ctx: StepContext) -> None:
        """The accelerator; of a preemptible one its host first, whose room is given back or counted."""
        rows = Accelerator.objects.filter(pk=ctx.target_id)
        known = vars(ctx).get("subject")  # read already in this run, or not at all
        subject = known.accelerator if isinstance(known, Subject) else rows.only("preemptible", "host_id").first()
        if subject is not None and subject.preemptible and subject.host_id is not None:
            Host.objects.select_for_update(no_key=True).values_list("pk").get(pk=subject.host_id)
        rows.select_for_update(no_key=True).values_list("pk").first()

    def public_error(self, error: ControlPlaneError) -> str:
        """Drivers' details name hosts and paths; customers read the class of the failure."""
        if isinstance(error, GearError) or error.status >= 500:
            return f"{self.title}: {error.title}."
        return f"{self.title}: {error.detail}"


def subject_of(ctx: StepContext) -> Subject:
    """The typed subject of a context."""
    subject = ctx.subject
    assert isinstance(subject, Subject)
    return subject


def limits_of(accelerator: Accelerator) -> Limits:
    """Its limits as drivers know them."""
    return Limits(
        memory_mib=accelerator.memory_mib,
        vcpus=accelerator.cpu_m / 1000,
        disk_gib=float(accelerator.disk_gib),
        processes=accelerator.processes,
    )


def spec_of(accelerator: Accelerator) -> GuestSpec:
    """The whole wish as a plain value; one query for the addresses."""
    addresses = Address.objects.filter(holder_id=accelerator.pk).select_related("network").order_by("id")
    nics = tuple(
        Nic(
            mac=mac_of(str(accelerator.pk), index), address=str(row.ip), prefix_length=row.network.prefix_length,
            gateway=row.network.gateway if index == 0 else None, bridge=row.network.bridge,
        )
        for index, row in enumerate(addresses)
    )  # fmt: skip
    pod = accelerator.pod
    domain = f"{accelerator.account.slug}.{pod.slug}.{pod.dns_suffix}" if pod.dns_suffix else ""
    return GuestSpec(
        guest_id=str(accelerator.pk), hostname=accelerator.name, image=accelerator.image.ref, limits=limits_of(accelerator),
        uid_slot=accelerator.uid_slot, nics=nics, resolvers=tuple(pod.resolvers), search_domain=domain,
        ssh_keys=tuple(accelerator.ssh_keys), user_script=unseal(accelerator.sealed_user_script),
    )  # fmt: skip


def seen(observation: GuestObservation) -> dict[str, str]:
    """What a step leaves in the journal about an observation."""
    return {"power": observation.power.value, "observed_at": timezone.now().isoformat()}


def enter(ctx: StepContext, state: State, **changes: object) -> None:
    """Move the accelerator to a state, inside a fenced transaction; the database refuses what the table lacks."""
    changed = Accelerator.objects.filter(pk=ctx.target_id).update(
        state=state, settled_at=timezone.now(), revision=F("revision") + 1, **changes
    )
    if not changed:
        raise LostLease(f"accelerator {ctx.target_id} is gone")


def leave_room(ctx: StepContext) -> None:
    """After `enter`, once the guest is known to be stopped: a preemptible one gives processor and memory back."""
    yield_spot(ctx.target_id)


def observed(ctx: StepContext, step: str) -> dict[str, object]:
    """The power observation that a step journalled, as column values."""
    data = ctx.data(step)
    if "power" not in data:
        return {}
    return {"power_observed": data["power"], "observed_at": datetime.fromisoformat(data["observed_at"])}


def tell(ctx: StepContext, kind: str, message: str, data: dict[str, object] | None = None) -> None:
    """A line on the accelerator's timeline."""
    operation = ctx.operation
    emit(
        kind, message, target_type="accelerator", target_id=operation.target_id, target_name=operation.target_name,
        account_id=operation.account_id, operation_id=operation.pk, actor=operation.actor, data=data,
    )  # fmt: skip
