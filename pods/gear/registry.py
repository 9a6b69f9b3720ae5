"""Which driver serves which kind of host. A literal map: adding a driver is one line here (docs/adding-a-driver.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pods.gear.errors import GearRefused
from pods.gear.hypervisor.base import Hypervisor
from pods.gear.hypervisor.lxc.driver import LxcHypervisor
from pods.gear.simulated import SimulatedHypervisor, SimulatedPod
from pods.gear.transport import SshRunner, SshTarget
from pods.gear.transport import scan_host_key as scan_ssh_host_key


@dataclass(frozen=True, slots=True)
class HostAccess:
    """How to reach one host, as plain values. Options are the driver's own:

    - lxc: `store` (default /var/lib/mcp/store) and `lxc_path` (default /var/lib/lxc), directories on the host
    - simulated: `pod`, a name, or the absolute path of a directory that several processes share
    """

    driver: str
    address: str
    port: int = 22
    user: str = "root"
    host_key: str = ""
    private_key: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Driver:
    """One line of the registry: how to open it, what it runs, and whether its hosts show SSH host keys."""

    open: Callable[[HostAccess], Hypervisor]
    kinds: frozenset[str]
    over_ssh: bool


def _simulated(access: HostAccess) -> Hypervisor:
    pod = SimulatedPod.named(str(access.options.get("pod", "default")))
    return SimulatedHypervisor(pod, access.address)


def _lxc(access: HostAccess) -> Hypervisor:
    target = SshTarget(access.address, access.port, access.user, access.host_key, access.private_key)
    return LxcHypervisor(SshRunner(target), **{key: str(value) for key, value in access.options.items()})


DRIVERS: Mapping[str, Driver] = {
    "lxc": Driver(_lxc, frozenset({"zone"}), over_ssh=True),
    "simulated": Driver(_simulated, frozenset({"zone"}), over_ssh=False),
}


def open_hypervisor(access: HostAccess) -> Hypervisor:
    """The driver of a host; cheap, since connections are pooled. Raises GearRefused for an unknown driver."""
    driver = DRIVERS.get(access.driver)
    if driver is None:
        raise GearRefused(f"There is no driver {access.driver!r}; there are {', '.join(sorted(DRIVERS))}.")
    return driver.open(access)


def scan_host_key(driver: str, address: str, port: int) -> str:
    """The host key a machine shows, or an empty string for drivers without SSH. Raises GearUnreachable."""
    return scan_ssh_host_key(address, port) if DRIVERS[driver].over_ssh else ""
