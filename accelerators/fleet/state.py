"""What the simulated machines remember, so that heartbeats, looks and moves find what the rows say."""

from __future__ import annotations

from accelerators.fleet.catalogue import key_of
from accelerators.fleet.guests import Guest
from accelerators.fleet.machines import Site
from accelerators.operations.subject import limits_of
from accelerators.states import State
from pods.gear.hypervisor.mac import mac_of
from pods.gear.simulated import SimulatedPod
from pods.gear.simulated.state import GuestState

RUNS = (State.RUNNING, State.STOPPING, State.RESTARTING)
NOT_THERE = (State.PROVISIONING, State.FAILED, State.DELETED)


def remember(guest: Guest, fence: int) -> None:
    """The guest on its machine, unless it is not there yet or any more."""
    machine, row = guest.machine, guest.row
    if machine is None or row.state in NOT_THERE:
        return
    key, running = str(row.pk), row.state in RUNS
    machine.state.guests[f"mcp-{key}"] = GuestState(
        name=f"mcp-{key}", guest_id=key, limits=limits_of(row), uid_slot=row.uid_slot, image=key_of(guest.order.image),
        hostname=row.name, macs=[mac_of(key, 0)], addresses=[guest.address], ssh_keys=list(row.ssh_keys), running=running,
        autostart=running, booted_at=row.settled_at.timestamp(),
    )  # fmt: skip
    machine.state.fences[key] = fence


def keep(site: Site) -> None:
    """Write the machines of a site where its hosts' rows say."""
    store = SimulatedPod.named(str(site.directory)).store
    for machine in site.machines:
        machine.state.images = sorted(machine.images)
        store.add(machine.state)
    SimulatedPod.forget(str(site.directory))
