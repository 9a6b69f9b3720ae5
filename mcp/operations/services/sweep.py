"""Wake what is due: operations whose message was lost, whose pause is over, or whose worker died."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from mcp.operations.models import Operation
from mcp.operations.services.claim import due
from mcp.operations.services.wake import publish

# A message is given this long to arrive before the sweeper sends another one.
GRACE_S = 1.0
AGAIN_AFTER_S = 5.0
MOST = 500


def sweep() -> int:
    """Publish what is due and not woken lately. Repeatable; several sweepers do no harm. Answers how many were woken."""
    now = timezone.now()
    lately = Q(woken_at__isnull=True) | Q(woken_at__lt=now - timedelta(seconds=AGAIN_AFTER_S))
    rows = list(
        Operation.objects.filter(due(now - timedelta(seconds=GRACE_S)) | Q(state="running", lease_until__lt=now))
        .filter(lately)
        .order_by("not_before")
        .values_list("id", "queue")[:MOST]
    )
    if not rows:
        return 0
    Operation.objects.filter(pk__in=[row[0] for row in rows]).update(woken_at=now)
    return publish((str(operation_id), queue) for operation_id, queue in rows)
