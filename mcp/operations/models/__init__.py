"""Rows of the operations engine."""

from mcp.operations.models.lane import Lane, Ticket
from mcp.operations.models.operation import Operation, StepRecord

__all__ = ["Lane", "Operation", "StepRecord", "Ticket"]
