"""Accelerators in all states, with what they hold: room, addresses, tags."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from accelerators.fleet.catalogue import key_of, need_of
from accelerators.fleet.draw import Draw
from accelerators.fleet.floor import Floor, Spot, leave_idle_room
from accelerators.fleet.machines import Machine, Site
from accelerators.fleet.orders import Order
from accelerators.models import Accelerator, Plan, Tag
from accelerators.states import State
from pods.models import Address, Allocation
from pods.states import AddressState

LIVES = {
    State.STOPPED: 0.06, State.TRASHED: 0.02, State.FAILED: 0.012, State.DELETED: 0.04, State.PROVISIONING: 0.002,
    State.STARTING: 0.001, State.STOPPING: 0.001, State.RESTARTING: 0.001, State.DELETING: 0.002, State.RESTORING: 0.001,
}  # fmt: skip
OFF = (State.STOPPED, State.TRASHED, State.FAILED, State.DELETED, State.STOPPING, State.DELETING)
# A preemptible one that does not run keeps its disk only.
GAVE_BACK = (State.STOPPED, State.TRASHED)
HOLDING_NOTHING = (State.FAILED, State.DELETED)
TRASH = timedelta(days=7)


@dataclass(slots=True)
class Guest:
    """One accelerator on its way into the database."""

    row: Accelerator
    order: Order
    plan: Plan
    machine: Machine | None = None
    address: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Crowd:
    """All guests of one pod with the rows beside them."""

    guests: list[Guest] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)


class Makers:
    """Makes the guests of one site, order by order. `smallest` is what is made of a kind where nothing larger fits."""

    def __init__(self, draw: Draw, site: Site, smallest: dict[str, Plan], names: Counter[tuple[str, str]]) -> None:
        self._draw = draw
        self._site = site
        self._floor = Floor(draw, site)
        self._smallest = smallest
        self._names = names
        self.crowd = Crowd()

    def make(self, order: Order, state: State, number: int) -> Guest:
        """One guest of an order, and all that it holds."""
        row = self._row(order, state, order.at + timedelta(milliseconds=40 * number))
        guest = Guest(row, order, order.plan)
        if state not in HOLDING_NOTHING:
            self._settle_in(guest)
        if row.state == State.DELETED:
            self._leave(guest)
        else:
            self._tag(guest)
        self.crowd.guests.append(guest)
        return guest

    def _row(self, order: Order, state: State, at: datetime) -> Accelerator:
        plan, group = order.plan, order.group
        return Accelerator(
            id=self._draw.id_at(at), account=order.tenant.account, name=self._name(order), kind=plan.kind, state=state,
            power_wanted="stopped" if state in OFF else "running", plan=plan, image=order.image, pod=self._site.pod,
            memory_mib=plan.memory_mib, cpu_m=need_of(plan).cpu_m, disk_gib=plan.disk_gib, processes=plan.processes,
            ssh_keys=order.tenant.public_keys[:2], metadata={"owner": order.tenant.owner} if self._draw.happens(0.2) else {},
            protected=state == State.RUNNING and self._draw.happens(0.05), preemptible=plan.preemptible,
            group=group.name if group else "", spread=group.spread if group else "none",
            spread_limit=group.limit if group else 1, spread_policy=group.policy if group else "required",
            created_at=at, settled_at=at, **self._marks(state),
        )  # fmt: skip

    def _name(self, order: Order) -> str:
        key = (order.tenant.account.slug, order.job)
        self._names[key] += 1
        return f"{order.job}-{self._names[key]}"

    def _marks(self, state: State) -> dict[str, Any]:
        """What a state leaves on the row."""
        if state == State.TRASHED:
            return {"trash_until": self._draw.now + TRASH * self._draw.chance.random()}
        if state == State.FAILED:
            return {"failure_code": "gear.refused", "failure_message": "Creating the accelerator: The host refused."}
        return {}

    def _settle_in(self, guest: Guest) -> None:
        """Room as asked for; else without the company of the group, else the smallest; else it failed."""
        row, order = guest.row, guest.order
        account = str(row.account_id)
        for plan, group in ((order.plan, order.group), (order.plan, None), (self._smallest[order.plan.kind], None)):
            spot = self._floor.place(plan, order.image, account, group)
            if spot is not None:
                self._floor.joined(spot, account, group)
                self._hold(guest, plan, spot, grouped=group is not None)
                return
        row.state, row.power_wanted = State.FAILED, "stopped"
        row.failure_code, row.failure_message = "placement.capacity_exhausted", "There is no room for this."

    def _hold(self, guest: Guest, plan: Plan, spot: Spot, *, grouped: bool) -> None:
        guest.machine, guest.plan = spot.machine, plan
        _resize(guest.row, plan)
        if not grouped:
            guest.row.group, guest.row.spread, guest.row.spread_limit, guest.row.spread_policy = "", "none", 1, "required"
        if plan.preemptible and guest.row.state in GAVE_BACK:
            leave_idle_room(spot.machine, plan)
        guest.row.host, guest.row.uid_slot = spot.machine.host, spot.machine.host.next_uid_slot - 1
        spot.machine.images[key_of(guest.order.image)] = guest.order.image
        self.crowd.allocations.append(self._allocation(guest, spot))
        guest.address = self._lease(guest)
        self._observe(guest, spot.machine)

    def _allocation(self, guest: Guest, spot: Spot) -> Allocation:
        row = guest.row
        gone = row.preemptible and row.state in GAVE_BACK
        return Allocation(
            id=self._draw.id_at(row.created_at), holder_id=row.pk, account_id=row.account_id, host=spot.machine.host,
            pod=self._site.pod, cpu_m=0 if gone else row.cpu_m, memory_mib=0 if gone else row.memory_mib,
            disk_gib=row.disk_gib, uid_slot=row.uid_slot,
            kind=row.kind, image_id=row.image_id,
            required_traits=sorted({*guest.plan.required_traits, *guest.order.image.required_traits}),
            forbidden_traits=guest.plan.forbidden_traits, group=f"{row.account_id}:{row.group}" if row.group else "",
            spread=row.spread, group_limit=row.spread_limit, group_soft=row.spread_policy == "preferred",
            group_slot=spot.group_slot, preemptible=row.preemptible, created_at=row.created_at,
        )  # fmt: skip

    def _lease(self, guest: Guest) -> str:
        network = self._site.network
        ip = str(IPv4Address(network.range_first) + network.next_offset)
        network.next_offset += 1
        self.crowd.addresses.append(
            Address(
                network=network, ip=ip, state=AddressState.ASSIGNED, holder_id=guest.row.pk, account_id=guest.row.account_id,
                changed_at=guest.row.created_at,
            )
        )  # fmt: skip
        return ip

    def _observe(self, guest: Guest, machine: Machine) -> None:
        row = guest.row
        row.observed_at = machine.host.inventory_at
        row.power_observed = "running" if row.state in (State.RUNNING, State.STOPPING, State.DELETING) else "stopped"
        if row.state == State.PROVISIONING:
            row.observed_at, row.power_observed = None, "unknown"

    def _leave(self, guest: Guest) -> None:
        """Deleted: what is remembered of it; its address rests, or was given to nobody again yet."""
        row = guest.row
        row.deleted_at = self._draw.ago(self._draw.now - row.created_at)
        row.last_known = {
            "id": str(row.pk), "name": row.name, "kind": row.kind, "state": "deleted", "plan": guest.plan.slug,
            "image": f"{guest.order.image.slug}@{guest.order.image.version}", "pod": self._site.pod.slug, "addresses": [],
            "tags": guest.order.tags, "created_at": row.created_at.isoformat(), "deleted_at": row.deleted_at.isoformat(),
        }  # fmt: skip
        row.observed_at, row.power_observed = row.deleted_at, "stopped"
        network = self._site.network
        ip = str(IPv4Address(network.range_first) + network.next_offset)
        network.next_offset += 1
        free_from = row.deleted_at + timedelta(minutes=10)
        self.crowd.addresses.append(
            Address(network=network, ip=ip, state=AddressState.QUARANTINED, free_from=free_from, changed_at=row.deleted_at)
        )

    def _tag(self, guest: Guest) -> None:
        guest.tags = guest.order.tags
        self.crowd.tags += [Tag(accelerator=guest.row, key=key, value=value) for key, value in guest.tags.items()]


def _resize(row: Accelerator, plan: Plan) -> None:
    row.plan, row.kind, row.preemptible = plan, plan.kind, plan.preemptible
    row.memory_mib, row.cpu_m, row.disk_gib, row.processes = plan.memory_mib, need_of(plan).cpu_m, plan.disk_gib, plan.processes
