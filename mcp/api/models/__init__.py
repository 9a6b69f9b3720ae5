"""Rows of the API plumbing."""

from mcp.api.models.idempotency import IdempotencyRecord

__all__ = ["IdempotencyRecord"]
