"""Compare what is wanted on a host with what its inventory shows. Pure; the sets and the rule for each:

- *wanted*: our accelerators that should exist there; *found*: the guests of the inventory.
- found - wanted, ours by its mark: an unknown guest, reported, never deleted.
- found - wanted, foreign: an unknown guest too.
- wanted - found: missing; believed only when a second look, later, finds nothing either.
- wanted and found: power and limits are compared, and whether every port has its anti-spoofing rules (where that was seen).
- Whatever has an operation at work, or whose last operation ended after the look began, is left alone: the look is old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pods.gear.hypervisor.base import GuestObservation, Inventory, Limits, Power


@dataclass(frozen=True, slots=True)
class WantedGuest:
    """One accelerator as its rows want it. `busy`: an operation is at work on it."""

    guest_id: str
    name: str
    power: Power
    limits: Limits
    busy: bool
    settled_at: datetime
    missing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as wanted. `guest_id` is None for guests that no accelerator stands for."""

    kind: str  # power, missing, unknown_guest, limits, unguarded
    guest_name: str
    guest_id: str | None
    sentence: str
    wanted: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What one look at one host taught."""

    differences: tuple[Difference, ...]
    powers: Mapping[str, Power]  # fresh observations to record
    first_missing: tuple[str, ...]  # not there for the first time: look again
    seen_again: tuple[str, ...]  # were missing, are back


def compare(wanted: Sequence[WantedGuest], inventory: Inventory, left: Set[str] = frozenset()) -> Report:
    """The report of one look. Limits are compared with a small tolerance, since kernels round.

    `left`: guests that went away by our own hand since the look; they are no unknown ones.
    """
    found = inventory.by_id()
    fresh = [guest for guest in wanted if not guest.busy and guest.settled_at < inventory.taken_at]
    known = {guest.guest_id for guest in wanted} | left
    differences: list[Difference] = []
    first_missing: list[str] = []
    seen_again: list[str] = []
    for guest in fresh:
        seen = found.get(guest.guest_id)
        if seen is None:
            if guest.missing_since is None:
                first_missing.append(guest.guest_id)
            else:
                differences.append(_missing(guest))
            continue
        if guest.missing_since is not None:
            seen_again.append(guest.guest_id)
        differences.extend(_compare_one(guest, seen))
    differences.extend(_unknown(seen) for seen in inventory.guests if seen.guest_id is None or seen.guest_id not in known)
    powers = {guest.guest_id: found[guest.guest_id].power for guest in fresh if guest.guest_id in found}
    return Report(tuple(differences), powers, tuple(first_missing), tuple(seen_again))


def _compare_one(guest: WantedGuest, seen: GuestObservation) -> list[Difference]:
    differences = []
    if seen.power is not guest.power:
        differences.append(
            Difference(
                "power",
                seen.name,
                guest.guest_id,
                f"{guest.name} is {seen.power.value}; it should be {guest.power.value}.",
                {"power": guest.power.value},
                {"power": seen.power.value},
            )
        )
    off = _limits_off(guest.limits, seen.limits) if seen.limits is not None else {}
    if off:
        words = ", ".join(f"{name} is {found:g} instead of {want:g}" for name, (want, found) in off.items())
        differences.append(
            Difference(
                "limits",
                seen.name,
                guest.guest_id,
                f"{guest.name}: {words}.",
                {name: want for name, (want, _) in off.items()},
                {name: found for name, (_, found) in off.items()},
            )
        )
    if seen.guarded is False:  # None: not known, and so no finding
        differences.append(_unguarded(guest, seen))
    return differences


def _unguarded(guest: WantedGuest, seen: GuestObservation) -> Difference:
    return Difference(
        "unguarded",
        seen.name,
        guest.guest_id,
        f"{guest.name} runs without the rules that keep it from using others' addresses.",
        {"guarded": True, "power": guest.power.value},
        {"guarded": False, "power": seen.power.value},
    )


def _limits_off(wanted: Limits, found: Limits) -> dict[str, tuple[float, float]]:
    pairs = {
        "memory_mib": (float(wanted.memory_mib), float(found.memory_mib)),
        "vcpus": (wanted.vcpus, found.vcpus),
        "disk_gib": (wanted.disk_gib, found.disk_gib),
        "processes": (float(wanted.processes), float(found.processes)),
    }
    return {name: pair for name, pair in pairs.items() if abs(pair[0] - pair[1]) > 0.02 * max(pair[0], 0.5)}


def _missing(guest: WantedGuest) -> Difference:
    return Difference(
        "missing",
        guest.guest_id,
        guest.guest_id,
        f"{guest.name} is gone from its host; it should be {guest.power.value}.",
        {"power": guest.power.value},
        {},
    )


def _unknown(seen: GuestObservation) -> Difference:
    whose = "carries our mark but belongs to no accelerator" if seen.guest_id else "was not made by MCP"
    return Difference(
        "unknown_guest",
        seen.name,
        None,
        f"{seen.name} is {seen.power.value} and {whose}.",
        {},
        {"power": seen.power.value, "addresses": list(seen.addresses), "guest_id": seen.guest_id},
    )
