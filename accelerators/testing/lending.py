"""A small host that lends all its idle room, and the passing of a notice without waiting for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.testing.world import World, ensure_spot_plan, make_world
from mcp.operations.models import Operation
from pods.models import Host

# Guests of 256 MiB that `make_lending_world` has room for; its pod keeps half a GiB for the host itself.
PLACES = 4


def make_lending_world(*, hosts: int = 1, spot: str = "always", places: int = PLACES, **facts: Any) -> World:
    """A world whose hosts have room for `places` small guests each, and lend it."""
    world = make_world(hosts=hosts, memory_mib=512 + places * 256, **facts)
    ensure_spot_plan()
    Host.objects.filter(pod=world.pod).update(spot=spot)
    return world


def running_spot(world: World, name: str) -> Accelerator:
    """A preemptible accelerator that runs."""
    return world.running(name, plan="spot-256m")


def let_notice_pass() -> None:
    """As if every notice given were just over."""
    over = timezone.now() - timedelta(milliseconds=1)
    Accelerator.objects.filter(preempt_at__gt=over).update(preempt_at=over)
    Operation.objects.filter(state="queued", not_before__gt=over).update(not_before=over)


def running_memory(world: World, name: str = "h1") -> int:
    """MiB that the guests which run on a host use, whatever MCP thinks."""
    return sum(guest.limits.memory_mib for guest in world.host(name).state().guests.values() if guest.running)


def let_books_age() -> None:
    """As if the last operations had ended some time ago: what a host shows now is news."""
    Accelerator.objects.update(settled_at=F("settled_at") - timedelta(minutes=1))
