"""The product on the pod in a box: an account, its hosts enrolled over SSH, images built; and what the hosts really hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accelerators.models import Accelerator
from accelerators.services.create import Created, create_accelerators
from accelerators.services.wish import CreateWish
from accelerators.states import State
from accelerators.testing.world import ensure_small_plan, unequal_sums
from accounts.actor import Actor, system
from accounts.models import Account, User
from accounts.permissions import Role
from accounts.services.accounts import open_account
from lab.pod import Pod as Lab
from lab.shell import run
from mcp.operations.models import Operation, Ticket
from pods.gear.hypervisor.base import GuestObservation
from pods.images.builder import build
from pods.models import Address, Allocation, Host, Pod
from pods.services.enrol import HostWish, NetworkWish, add_host, add_pod
from pods.services.gear import hypervisor_of
from pods.services.images import register_image
from pods.states import AddressState


@dataclass(frozen=True)
class RealPod:
    """Rows and machines together."""

    lab: Lab
    account: Account
    user: User
    pod: Pod

    @property
    def actor(self) -> Actor:
        """The account's owner."""
        return Actor(label=self.user.username, account=self.account, role=Role.OWNER, user=self.user)

    def ask(self, name: str, **wish: object) -> Created:
        """Ask for busybox accelerators of the smallest plan."""
        fields: dict[str, object] = {"plan": "zone-256m", "image": "busybox", **wish}
        return create_accelerators(actor=self.actor, wish=CreateWish(name=name, **fields))  # type: ignore[arg-type]  # kwargs

    def on_hosts(self) -> dict[str, GuestObservation]:
        """Every guest that the hosts show, by our id or by its own name."""
        found: dict[str, GuestObservation] = {}
        for host in Host.objects.select_related("pod"):
            for guest in hypervisor_of(host).inventory().guests:
                found[guest.guest_id or guest.name] = guest
        return found

    def disagreements(self) -> list[str]:
        """Everything in which rows and hosts differ, and everything leaked; empty is what must hold at rest."""
        live = {str(row.pk): row for row in Accelerator.objects.exclude(state__in=[State.DELETED, State.FAILED])}
        found = self.on_hosts()
        faults = [f"on hosts only: {guest}" for guest in sorted(found.keys() - live.keys())]
        faults += [f"in the database only: {live[guest].name}" for guest in sorted(live.keys() - found.keys())]
        for guest in live.keys() & found.keys():
            wanted = "running" if live[guest].state == State.RUNNING else "stopped"
            if found[guest].power.value != wanted:
                faults.append(f"{live[guest].name} is {live[guest].state} here and {found[guest].power.value} there")
        faults += [
            f"not at rest: {row.name} {row.state}" for row in live.values() if row.state not in ("running", "stopped", "trashed")
        ]
        holders = {"allocation": Allocation.objects.all(), "address": Address.objects.filter(state=AddressState.ASSIGNED)}
        for what, rows in holders.items():
            held = {str(pk) for pk in rows.values_list("holder_id", flat=True)}
            if held != live.keys():
                faults.append(f"{what}s held by {sorted(held ^ live.keys())}")
        faults += [f"place still taken: {ticket}" for ticket in Ticket.objects.all()]
        return faults + unequal_sums()

    def clear(self) -> None:
        """Remove every guest of ours from the hosts, whatever the database says."""
        for host in Host.objects.select_related("pod"):
            hypervisor = hypervisor_of(host)
            for guest_id in hypervisor.inventory().by_id():
                hypervisor.destroy(guest_id, fence=1_000_000)

    def unsettled(self) -> list[Operation]:
        """Operations that have not ended."""
        return list(Operation.objects.exclude(state__in=sorted(Operation.SETTLED)))


def make_real_pod(lab: Lab, *, images: tuple[str, ...] = ("busybox",)) -> RealPod:
    """Enrol a pod in a box. Its first guests have the addresses of the last test's, which this machine must not remember."""
    run("ip", "neigh", "flush", "dev", lab.plan.guest_bridge)
    ensure_small_plan()
    user = User.objects.create_user("owner")
    account = open_account(actor=system(), slug="acme", name="Acme", owner=user)
    first, last = (str(address) for address in lab.guest_pool)
    network = NetworkWish(str(lab.subnet), gateway=str(lab.gateway), range_first=first, range_last=last)
    key = Path(lab.ssh_key_path).read_text()
    pod = add_pod(actor=system(), slug="box", network=network, ssh_key=key, resolvers=list(lab.resolvers), disk_overcommit=50.0)
    for host in lab.hosts:
        add_host(actor=system(), wish=HostWish(str(host.address), pod, name=host.name, host_key=host.host_key))
    for slug in images:
        register_image(actor=system(), built=build(slug, Path(settings.IMAGE_DIR)))
    return RealPod(lab, account, user, pod)
