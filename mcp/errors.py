"""One family of errors for the whole system, translated once at each edge.

A `ControlPlaneError` carries what every reader needs: a *code* for programs (never changed once published), a
sentence for people, a *remedy* (what to do next), the HTTP status the API answers, and whether trying again makes sense.
Only the API handler, the web views, the management commands and the operation engine catch the family.
`docs/errors.md` lists every code; a test compares the two.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class Retry(enum.Enum):
    """Whether the same request may succeed later without anybody changing it."""

    NEVER = "never"
    LATER = "later"
    OBSERVE = "observe"  # the outcome is unknown: look before doing anything else


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one input field, with the remedy in the message."""

    field: str
    code: str
    message: str


class ControlPlaneError(Exception):
    """Base of every error that MCP raises on purpose.

    `detail` is a full sentence a person can act on; `context` holds plain values for logs and problem documents.
    """

    code: ClassVar[str] = "internal.error"
    title: ClassVar[str] = "Something went wrong inside MCP"
    status: ClassVar[int] = 500
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.context: dict[str, Any] = dict(context or {})
        super().__init__(self.detail)


class InvalidInput(ControlPlaneError):
    """The request itself is wrong; `errors` names each field and its remedy."""

    code = "input.invalid"
    title = "The request has fields that need changing"
    status = 400

    @classmethod
    def on(cls, field: str, message: str, code: str = "invalid") -> InvalidInput:
        """One bad field."""
        return cls(f"{field}: {message}", errors=[FieldError(field, code, message)])


class NotFound(ControlPlaneError):
    """No such thing, or it belongs to somebody else: the two are never told apart."""

    code = "resource.not_found"
    title = "There is no such thing in this account"
    status = 404


class Gone(ControlPlaneError):
    """It existed and is deleted; `context['last_known']` holds its last form."""

    code = "resource.gone"
    title = "This was deleted"
    status = 410


class Forbidden(ControlPlaneError):
    """The caller is known but its role or scope does not allow the verb."""

    code = "access.forbidden"
    title = "Your role or key does not allow this"
    status = 403


class Conflict(ControlPlaneError):
    """The request is right but not in the present state of the thing."""

    code = "state.conflict"
    title = "This cannot be done in the present state"
    status = 409


class PreconditionFailed(ControlPlaneError):
    """`If-Match` names an older version."""

    code = "state.precondition_failed"
    title = "It has changed since you read it"
    status = 412


class LimitExceeded(ControlPlaneError):
    """An account limit would be exceeded; `context` tells limit, used and asked."""

    code = "account.limit_exceeded"
    title = "This would exceed a limit of your account"
    status = 409


class Throttled(ControlPlaneError):
    """Too many requests; `context['retry_after_s']` says when to come back."""

    code = "request.throttled"
    title = "Too many requests"
    status = 429
    retry = Retry.LATER
