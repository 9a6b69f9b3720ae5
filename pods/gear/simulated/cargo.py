"""What travels when a simulated guest moves: everything inside it, as text."""

from __future__ import annotations

import hashlib
import json

from pods.gear.hypervisor.base import Cargo
from pods.gear.simulated.state import GuestState

_INSIDE = ("files", "user_script", "first_boot", "listening")


def packed(guest: GuestState) -> bytes:
    """The same guest gives the same bytes."""
    return json.dumps({name: getattr(guest, name) for name in _INSIDE}, sort_keys=True).encode()


def measured(data: bytes) -> Cargo:
    """As a host would measure a root. Anything that is no cargo measures as empty."""
    try:
        files = json.loads(data)["files"]
    except (ValueError, KeyError, TypeError):
        return Cargo(0, 0, "")
    return Cargo(len(files), sum(len(text) for text in files.values()), hashlib.sha256(data).hexdigest())


def unpack(guest: GuestState, data: bytes) -> None:
    """The inverse of `packed`."""
    inside = json.loads(data)
    for name in _INSIDE:
        setattr(guest, name, inside[name])
    guest.first_boot = tuple(inside["first_boot"]) if inside["first_boot"] else None
