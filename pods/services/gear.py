"""From rows to drivers: the one place where a host's access data becomes a `Hypervisor`."""

from __future__ import annotations

from mcp.secrets import unseal
from pods.gear.hypervisor.base import Hypervisor
from pods.gear.registry import HostAccess, open_hypervisor
from pods.models import Host


def hypervisor_of(host: Host) -> Hypervisor:
    """The driver of a host; connections behind it are pooled by the process. `host.pod` is read."""
    return open_hypervisor(
        HostAccess(
            driver=host.driver,
            address=host.address,
            port=host.port,
            user=host.user,
            host_key=host.host_key,
            private_key=unseal(host.pod.sealed_ssh_key),
            options=dict(host.options),
        )
    )
