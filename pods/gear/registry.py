"""Which driver speaks to which kind of host: a literal map, from plain settings to a ready driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import Hypervisor
from pods.gear.hypervisor.lxc.driver import LxcHypervisor
from pods.gear.simulated import SimulatedHypervisor, SimulatedPod
from pods.gear.transport import SshRunner, SshTarget


@dataclass(frozen=True, slots=True)
class HostAccess:
    """How to reach one host. `options` are the driver's own:

    - lxc: `lxc_path` (default /var/lib/lxc), `store` (default /var/lib/mcp)
    - simulated: `pod` (a name, or an absolute path of a directory shared by processes; default "default");
      `address` is the simulated host's name
    """

    driver: str
    address: str
    port: int = 22
    user: str = "root"
    host_key: str = ""
    private_key: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


def _lxc(access: HostAccess) -> Hypervisor:
    target = SshTarget(access.address, access.port, access.user, access.host_key, access.private_key)
    return LxcHypervisor(SshRunner(target), **access.options)


def _simulated(access: HostAccess) -> Hypervisor:
    return SimulatedHypervisor(SimulatedPod.named(access.options.get("pod", "default")), access.address)


HYPERVISORS: Mapping[str, Callable[[HostAccess], Hypervisor]] = {
    "lxc": _lxc,
    "simulated": _simulated,
}


def hypervisor_for(access: HostAccess) -> Hypervisor:
    """A driver for one host; opens no connection. Raises GearRefused for an unknown driver."""
    try:
        factory = HYPERVISORS[access.driver]
    except KeyError:
        known = ", ".join(sorted(HYPERVISORS))
        raise GearRefused(f"There is no hypervisor driver {access.driver!r}; choose one of {known}.") from None
    return factory(access)
