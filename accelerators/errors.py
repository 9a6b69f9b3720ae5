"""Errors of accelerators."""

from __future__ import annotations

from mcp.errors import Conflict, InvalidInput


class NameTaken(Conflict):
    """The account has an accelerator of that name."""

    code = "accelerator.name_taken"
    title = "The name is taken"


class Protected(Conflict):
    """It is protected against deletion."""

    code = "accelerator.protected"
    title = "It is protected against deletion"


class WrongState(Conflict):
    """The verb does not fit the state; `context` has both."""

    code = "accelerator.wrong_state"
    title = "The accelerator is not in a state for this"


class PlanUnavailable(InvalidInput):
    """No active plan of that name."""

    code = "plan.unavailable"
    title = "There is no such plan"


class DoesNotFit(InvalidInput):
    """Plan and image do not go together."""

    code = "plan.too_small"
    title = "The image needs a larger plan"
