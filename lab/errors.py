"""What the lab raises: one error, with a sentence a person can act on."""

from __future__ import annotations


class LabError(Exception):
    """The pod in a box could not do what was asked; the text says why and what to do."""
