"""Rows of what customers hold."""

from accelerators.models.accelerator import Accelerator, Tag
from accelerators.models.plan import Plan

__all__ = ["Accelerator", "Plan", "Tag"]
