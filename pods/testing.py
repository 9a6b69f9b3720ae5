"""Factories for tests: a simulated pod with hosts, and images."""

from __future__ import annotations

import itertools
from typing import Any

from accounts.actor import Actor, system
from pods.gear.simulated import SimulatedPod
from pods.models import Host, Image, Pod
from pods.services.enrol import HostWish, NetworkWish, add_host, add_pod

_subnets = itertools.count(1)


def make_image(slug: str = "debian-12", version: str = "1", **fields: Any) -> Image:
    """An image row; of size 1, which the simulated driver takes at its word without a file behind it."""
    defaults = {
        "os": "Debian 12", "sha256": "ab" * 32, "size_bytes": 1, "file": f"{slug}-{version}.tar.zst",
        "min_memory_mib": 16, "min_disk_gib": 1, **fields,
    }  # fmt: skip
    return Image.objects.get_or_create(slug=slug, version=version, defaults=defaults)[0]


def make_pod(slug: str = "sim1", hosts: int = 2, *, actor: Actor | None = None, cidr: str = "", **facts: Any) -> Pod:
    """A pod of simulated hosts named SLUG-h1, SLUG-h2...; `facts` are fields of the simulated HostState.

    `SimulatedPod.named(slug)` is the hand behind MCP's back; forget it after the test (the `pod` fixture does).
    """
    who = actor or system("test")
    network = cidr or f"10.{next(_subnets) % 200 + 20}.0.0/24"
    pod = add_pod(actor=who, slug=slug, network=NetworkWish(cidr=network), dns_suffix="mcp.test")
    for number in range(1, hosts + 1):
        add_simulated_host(pod, f"{slug}-h{number}", actor=who, **facts)
    return pod


def add_simulated_host(pod: Pod, name: str, *, actor: Actor | None = None, **facts: Any) -> Host:
    """One more host, enrolled through the service."""
    SimulatedPod.named(pod.slug).add_host(name, **facts)
    wish = HostWish(address=name, pod=pod, name=name, driver="simulated", options={"pod": pod.slug})
    return add_host(actor=actor or system("test"), wish=wish)
