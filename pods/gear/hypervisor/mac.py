"""Hardware addresses of guests, derived from their ids: known before anything is built, the same for ever."""

from __future__ import annotations

import hashlib


def mac_of(guest_id: str, index: int) -> str:
    """A locally administered unicast address (IEEE 802, second-lowest bit of the first octet set, lowest clear)."""
    digest = hashlib.sha256(f"{guest_id}/{index}".encode()).digest()
    octets = [(digest[0] & 0xFC) | 0x02, *digest[1:6]]
    return ":".join(f"{octet:02x}" for octet in octets)
