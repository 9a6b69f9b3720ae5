"""Who lives on hosts, as far as pods need to know. Whatever holds allocations registers how its guests are named and moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from accounts.actor import Actor
from mcp.operations.models import Operation
from pods.models import Host


@dataclass(frozen=True, slots=True)
class Resident:
    """One holder of an allocation. `blocked` says why it cannot be moved now, empty when it can; `passing`, whether that

    ends by itself.
    """

    id: UUID
    name: str
    account_id: UUID
    blocked: str = ""
    passing: bool = False


class Registry(Protocol):
    """What an app that puts guests on hosts brings."""

    def describe(self, holders: Collection[UUID]) -> Mapping[UUID, Resident]:
        """Those of the holders that it knows; a fixed number of queries."""

    def move(self, *, actor: Actor, holder_id: UUID, target: Host) -> Operation:
        """Begin a move; the caller may hold a transaction. Raises ControlPlaneError."""


_registries: list[Registry] = []


def register(registry: Registry) -> None:
    """Called once, when the app is ready; repeating it is harmless."""
    if not any(type(known) is type(registry) for known in _registries):
        _registries.append(registry)


def describe(holders: Collection[UUID]) -> dict[UUID, Resident]:
    """All of the holders that anybody knows."""
    found: dict[UUID, Resident] = {}
    for registry in _registries:
        found |= registry.describe(holders)
    return found


def begin_move(*, actor: Actor, holder_id: UUID, target: Host) -> Operation | None:
    """Begin a move of whoever it is; None when nobody knows the holder (any more). Raises ControlPlaneError."""
    for registry in _registries:
        if registry.describe([holder_id]):
            return registry.move(actor=actor, holder_id=holder_id, target=target)
    return None
