"""Write audit entries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mcp.events.models import AuditEntry
from mcp.logs import request_id


def audit(
    action: str,
    *,
    actor: str,
    target_type: str,
    target_id: UUID | str,
    target_name: str = "",
    account_id: UUID | None = None,
    source: str = "",
    operation_id: UUID | None = None,
    changes: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry. Callers leave secrets out of `changes`."""
    return AuditEntry.objects.create(
        action=action,
        actor=actor[:200],
        source=source[:64],
        request_id=request_id(),
        account_id=account_id,
        target_type=target_type,
        target_id=str(target_id),
        target_name=target_name[:120],
        operation_id=operation_id,
        changes=changes or {},
    )
