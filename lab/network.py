"""The pod's bridges and cables on the machine. A bridge carries the pod's state directory as its alias: proof of whose it is."""

from __future__ import annotations

import contextlib
import json
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.plan import HostPlan, PodPlan
from lab.shell import ip_batch, run

ALIAS = "mcp-lab"


def links() -> dict[str, dict[str, Any]]:
    """Every interface of the machine by name, as `ip -json -details link` tells it."""
    return {link["ifname"]: link for link in json.loads(run("ip", "-json", "-details", "link"))}


def networks_in_use() -> list[IPv4Network]:
    """Networks the machine has an address in or a route to (the default route aside)."""
    used = []
    for link in json.loads(run("ip", "-json", "-4", "addr")):
        for address in link["addr_info"]:
            used.append(IPv4Interface(f"{address['local']}/{address['prefixlen']}").network)
    for route in json.loads(run("ip", "-json", "-4", "route")):
        if route["dst"] != "default":
            used.append(IPv4Interface(route["dst"]).network)
    return used


def owner(link: dict[str, Any]) -> Path | None:
    """The state directory of the pod that made this bridge, or None if no pod did."""
    words = str(link.get("ifalias", "")).split(" ", 1)
    return Path(words[1]) if words[0] == ALIAS and len(words) == 2 else None


def build_bridges(plan: PodPlan, state_dir: Path) -> None:
    """Both bridges with the machine's addresses on them. Raises LabError if the names or addresses are taken."""
    for network in networks_in_use():
        if network.overlaps(plan.guests) or network.overlaps(plan.management):
            raise LabError(f"the machine already uses {network}; give the pod another --subnet")
    batch = []
    for bridge, address, network in (
        (plan.guest_bridge, plan.gateway, plan.guests),
        (plan.management_bridge, plan.management_gateway, plan.management),
    ):
        batch += [
            f"link add {bridge} type bridge forward_delay 0",
            f'link set {bridge} alias "{ALIAS} {state_dir}"',
            f"addr add {address}/{network.prefixlen} dev {bridge}",
            f"link set {bridge} up",
        ]
    ip_batch(batch)
    for bridge in (plan.guest_bridge, plan.management_bridge):
        _ask_quickly(bridge)


# Guests come and go in fractions of a second here. The kernel's pauses between questions for a neighbour's hardware address
# (a second each, and five before one that went silent is asked again) would be most of what a caller waits for.
QUICK_NEIGHBOURS = {"retrans_time_ms": 50, "mcast_solicit": 20, "delay_first_probe_time": 1}


def _ask_quickly(bridge: str) -> None:
    for name, value in QUICK_NEIGHBOURS.items():
        with contextlib.suppress(OSError):  # where /proc/sys is read-only, callers wait a little longer, that is all
            Path(f"/proc/sys/net/ipv4/neigh/{bridge}/{name}").write_text(str(value))


def _mac(maker: str, host: HostPlan) -> str:
    """A hardware address that a host keeps when it restarts: who remembers it from before still reaches it."""
    return ":".join([maker, *(f"{octet:02x}" for octet in host.address.packed)])


def plug_in(plan: PodPlan, host: HostPlan, init_pid: int) -> None:
    """Two cables into the host's network namespace: eth0 for management, eth1 for the guests' traffic."""
    batch = []
    for link, name, bridge, maker in (
        (host.management_link, "eth0", plan.management_bridge, "02:4c"),
        (host.guest_link, "eth1", plan.guest_bridge, "02:4e"),
    ):
        batch += [
            f"link add {link} type veth peer name {name} address {_mac(maker, host)} netns {init_pid}",
            f"link set {link} master {bridge}",
            f"link set {link} up",
        ]
    ip_batch(batch)


def unplug(host: HostPlan) -> None:
    """Remove a host's cables; repeatable. The kernel would do it too, but some time after the host's end."""
    ip_batch([f"link del {link}" for link in (host.management_link, host.guest_link)], force=True)


def set_plugged(host: HostPlan, *, plugged: bool) -> None:
    """Cut a running host off both networks, or bring it back; repeatable."""
    state = "up" if plugged else "down"
    ip_batch([f"link set {link} {state}" for link in (host.management_link, host.guest_link)])


def remove(plan: PodPlan, state_dir: Path) -> None:
    """Remove what is left of the pod's interfaces; repeatable. Another pod's bridge of the same name is left alone."""
    present = links()
    bridges = [b for b in (plan.guest_bridge, plan.management_bridge) if owner(present.get(b, {})) == state_dir]
    cables = [name for name, link in present.items() if link.get("master") in bridges]
    ip_batch([f"link del {name}" for name in (*cables, *bridges)], force=True)
