"""Rows of the pages' plumbing."""

from mcp.web.models.form_token import FormToken

__all__ = ["FormToken"]
