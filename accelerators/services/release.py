"""Give back what an accelerator holds, and remember what it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from accelerators.models import Accelerator
from pods.models import Address
from pods.services.addresses import release_addresses
from pods.services.claim import release


def release_holdings(accelerator_id: UUID) -> None:
    """Room and addresses; repeatable. Only when the host is proven clean of the guest."""
    release(accelerator_id)
    release_addresses(accelerator_id)


def remember(accelerator: Accelerator, now: datetime) -> dict[str, Any]:
    """The last known form, which `410 Gone` shows; taken before the holdings are released."""
    return {
        "id": str(accelerator.pk),
        "name": accelerator.name,
        "kind": accelerator.kind,
        "state": "deleted",
        "plan": accelerator.plan.slug,
        "image": f"{accelerator.image.slug}@{accelerator.image.version}",
        "pod": accelerator.pod.slug,
        "addresses": [str(ip) for ip in Address.objects.filter(holder_id=accelerator.pk).values_list("ip", flat=True)],
        "tags": dict(accelerator.tag_rows.values_list("key", "value")),
        "created_at": accelerator.created_at.isoformat(),
        "deleted_at": now.isoformat(),
    }
