"""Names and addresses of a pod, computed from its name and subnet alone: nothing here touches the machine.

One subnet is cut in halves. The lower half carries guest traffic (layer 2 across all hosts, by `br0` in each), the upper
half is the management network with the hosts' own addresses. Interface names stay under Linux's 15 characters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.errors import LabError

NAME = re.compile(r"[a-z][a-z0-9]{0,7}")
HOSTS_AT_MOST = 5
POOL = IPv4Network("10.77.0.0/16")
PREFIX_LENGTH = 22
FIRST_HOST = 11  # hosts are .11 to .15 of the management half
FIRST_GUEST = 16  # what lies below is kept for gateway and gear


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What one host will be called and where it will answer."""

    index: int  # counts from 1
    name: str
    address: IPv4Address
    management_link: str  # the end of the veth pair that stays with the machine
    guest_link: str
    cgroup: str  # its directory in every cgroup hierarchy


@dataclass(frozen=True, slots=True)
class PodPlan:
    """Names and addresses of a whole pod."""

    name: str
    subnet: IPv4Network
    guests: IPv4Network
    management: IPv4Network
    guest_bridge: str
    management_bridge: str
    hosts: tuple[HostPlan, ...]

    @property
    def gateway(self) -> IPv4Address:
        """The pod's address on the guest network: the guests' gateway, held by the machine itself."""
        return self.guests[1]

    @property
    def management_gateway(self) -> IPv4Address:
        """The control plane's address on the management network."""
        return self.management[1]

    @property
    def guest_pool(self) -> tuple[IPv4Address, IPv4Address]:
        """First and last address that guests may be given."""
        return self.guests[FIRST_GUEST], self.guests[-2]

    @property
    def links(self) -> tuple[str, ...]:
        """Every interface of the pod on the machine; bridges last."""
        ends = [link for host in self.hosts for link in (host.management_link, host.guest_link)]
        return (*ends, self.guest_bridge, self.management_bridge)


def check_name(name: str) -> str:
    """The name itself; raises LabError if it cannot be part of an interface name."""
    if not NAME.fullmatch(name):
        raise LabError(f"the pod's name {name!r} must be 1 to 8 characters a-z and 0-9, beginning with a letter")
    return name


def _host(name: str, index: int, management: IPv4Network) -> HostPlan:
    return HostPlan(
        index=index,
        name=f"h{index}",
        address=management[FIRST_HOST + index - 1],
        management_link=f"mcp-{name}-m{index}",
        guest_link=f"mcp-{name}-g{index}",
        cgroup=f"mcp-lab.{name}.h{index}",
    )


def plan(name: str, subnet: IPv4Network, hosts: int) -> PodPlan:
    """The plan of a pod; raises LabError on a bad name, a subnet longer than /25, or not 1 to 5 hosts."""
    check_name(name)
    if not 1 <= hosts <= HOSTS_AT_MOST:
        raise LabError(f"a pod in a box has 1 to {HOSTS_AT_MOST} hosts, not {hosts}")
    if subnet.prefixlen > 25:
        raise LabError(f"the subnet {subnet} is too small: it is cut in halves, so give a /25 or larger")
    guests, management = subnet.subnets(prefixlen_diff=1)
    return PodPlan(
        name=name,
        subnet=subnet,
        guests=guests,
        management=management,
        guest_bridge=f"mcp-{name}",
        management_bridge=f"mcp-{name}-m",
        hosts=tuple(_host(name, index, management) for index in range(1, hosts + 1)),
    )


def parse_subnet(text: str) -> IPv4Network:
    """The subnet; raises LabError if the text is none or has host bits set."""
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise LabError(f"--subnet: {error}") from error


def candidates() -> Iterator[IPv4Network]:
    """Subnets the lab chooses from when none is given."""
    return POOL.subnets(new_prefix=PREFIX_LENGTH)


def first_free(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first candidate that overlaps none of `taken`; raises LabError when all are in use."""
    used = list(taken)
    for network in candidates():
        if not any(network.overlaps(other) for other in used):
            return network
    raise LabError(f"every /{PREFIX_LENGTH} of {POOL} is in use; take a pod down or give --subnet")
