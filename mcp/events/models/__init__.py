"""Rows of the event log and the audit trail."""

from mcp.events.models.audit import AuditEntry
from mcp.events.models.event import Event

__all__ = ["AuditEntry", "Event"]
