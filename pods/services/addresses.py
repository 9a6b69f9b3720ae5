"""Lease addresses and give them back, to rest in quarantine before anybody else has them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from pods.errors import AddressesExhausted
from pods.models import Address, Network
from pods.states import AddressState


def lease_addresses(network: Network, *, holders: Sequence[UUID], account_id: UUID) -> list[Address]:
    """One address a holder, all or none. Never-used ones first, then those that rested longest.

    The caller holds a transaction; the network's row is the lock. Raises AddressesExhausted with the figures.
    """
    assert connection.in_atomic_block
    if network.size - network.next_offset >= len(holders) and _advance(network, len(holders)):
        return _write(network, holders, account_id)  # nobody was faster since the network was read
    locked = Network.objects.select_for_update().get(pk=network.pk)
    fresh = _fresh(locked, holders, account_id)
    rest = holders[len(fresh) :]
    return fresh + (_rested(locked, rest, account_id) if rest else [])


def _fresh(network: Network, holders: Sequence[UUID], account_id: UUID) -> list[Address]:
    count = min(len(holders), network.size - network.next_offset)
    if count <= 0 or not _advance(network, count):
        return []
    return _write(network, holders[:count], account_id)


def _advance(network: Network, count: int) -> bool:
    """Take the next never-used addresses, if the network still is as it was read; holds its row from then on."""
    as_read = {"next_offset": network.next_offset, "range_first": network.range_first, "range_last": network.range_last}
    return bool(Network.objects.filter(pk=network.pk, **as_read).update(next_offset=network.next_offset + count))


def _write(network: Network, holders: Sequence[UUID], account_id: UUID) -> list[Address]:
    first = ipaddress.IPv4Address(network.range_first) + network.next_offset
    return Address.objects.bulk_create(
        Address(network=network, ip=str(first + index), state=AddressState.ASSIGNED, holder_id=holder, account_id=account_id)
        for index, holder in enumerate(holders)
    )


def _rested(network: Network, holders: Sequence[UUID], account_id: UUID) -> list[Address]:
    now = timezone.now()
    rows = list(
        Address.objects.select_for_update()
        .filter(network=network, state=AddressState.QUARANTINED, free_from__lte=now)
        .order_by("free_from", "id")[: len(holders)]
    )
    if len(rows) < len(holders):
        resting = Address.objects.filter(network=network, state=AddressState.QUARANTINED, free_from__gt=now).count()
        raise AddressesExhausted(
            f"The network {network.slug} has {len(rows)} of {len(holders)} addresses that are still needed; {resting} "
            "more rest after use. Try again later, ask for fewer, or choose another pod."
        )
    for row, holder in zip(rows, holders, strict=True):
        row.state, row.holder_id, row.account_id = AddressState.ASSIGNED, holder, account_id
        row.free_from, row.changed_at = None, now
    Address.objects.bulk_update(rows, ["state", "holder_id", "account_id", "free_from", "changed_at"])
    return rows


def release_addresses(holder_id: UUID) -> int:
    """Put a holder's addresses to rest; repeatable."""
    now = timezone.now()
    return Address.objects.filter(holder_id=holder_id).update(
        state=AddressState.QUARANTINED,
        holder_id=None,
        account_id=None,
        free_from=now + timedelta(seconds=settings.ADDRESS_QUARANTINE_S),
        changed_at=now,
    )
