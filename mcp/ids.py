"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by creation time and indexes stay dense."""

from __future__ import annotations

import uuid

from uuid6 import uuid7


def new_id() -> uuid.UUID:
    """A fresh identifier; unguessable in its 74 random bits."""
    return uuid.UUID(int=uuid7().int)
