"""Answer a repeated request with the answer of the first one, and carry it out only once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from mcp.api.errors import IdempotencyKeyReused
from mcp.api.models import IdempotencyRecord
from mcp.errors import InvalidInput
from mcp.secrets import seal, unseal

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an Idempotency-Key, as far as telling it from others goes."""

    owner: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is stored and replayed: status, Location and the exact JSON text."""

    status: int
    location: str
    body: str


def keyed(owner: str, key: str, *, method: str, path: str, query: str, data: Mapping[str, Any]) -> Keyed:
    """Check the key's form and fingerprint the request. Raises InvalidInput."""
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise InvalidInput.on("Idempotency-Key", "use 1 to 255 printable ASCII characters, such as a UUID.", "malformed")
    text = json.dumps([method, path, query, data], sort_keys=True, separators=(",", ":"))
    return Keyed(owner, key, hashlib.sha256(text.encode()).hexdigest())


def replay(request: Keyed) -> Answer | None:
    """The stored answer, if there is one. Raises IdempotencyKeyReused for another request under the same key."""
    row = IdempotencyRecord.objects.filter(owner=request.owner, key=request.key).first()
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(
            "The same Idempotency-Key came before with another path or body; use a new key for a new request."
        )
    return Answer(row.status, row.location, unseal(row.sealed_body))


def take(request: Keyed) -> IdempotencyRecord | None:
    """Reserve the key inside the caller's transaction, or None when another request has it (see `replay`).

    A concurrent request under the same key waits here, on the unique index, until the first one commits or rolls back.
    """
    assert connection.in_atomic_block
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(owner=request.owner, key=request.key, fingerprint=request.fingerprint)
    except IntegrityError:
        return None


def keep(row: IdempotencyRecord, answer: Answer) -> None:
    """Write the answer down, in the same transaction."""
    row.status, row.location, row.sealed_body = answer.status, answer.location, seal(answer.body)
    row.save(update_fields=["status", "location", "sealed_body"])


def forget() -> int:
    """Drop answers older than a day; repeatable. Answers how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
