"""Count what fails on a host, so that placement avoids it for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Least
from django.utils import timezone

from pods.gear.errors import GearError, ImageBroken, StaleFence
from pods.models import Host

MOST = 1000
# A broken image fails on every host alike, and a stale fence is our own doing: neither is the host's mishap.
BLAMELESS = (ImageBroken, StaleFence)


def is_mishap(code: str) -> bool:
    """Whether an error code says that a host, or its gear, failed."""
    return code in {kind.code for kind in _family(GearError)} - {kind.code for kind in BLAMELESS}


def _family(kind: type[GearError]) -> Iterator[type[GearError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def note_mishap(host_id: UUID) -> None:
    """One more guest failed on the host; what lies longer back than MISHAPS_REMEMBERED_S is forgotten first. One query.

    Each call counts: the caller's transaction settles the guest's operation, so it happens once a guest.
    """
    now = timezone.now()
    recent = Q(mishap_at__gt=now - timedelta(seconds=settings.MISHAPS_REMEMBERED_S))
    counted = Case(When(recent, then=Least(F("mishaps") + 1, Value(MOST))), default=Value(1))
    Host.objects.filter(pk=host_id).update(mishaps=counted, mishap_at=now)
