"""Errors of the API itself: what is wrong with a request before any noun is looked at."""

from __future__ import annotations

from mcp.errors import Conflict, ControlPlaneError, InvalidInput, NotFound, Retry


class Unauthenticated(ControlPlaneError):
    """No key, or one that is unknown, expired or revoked; the three are not told apart."""

    code = "access.unauthenticated"
    title = "This needs a valid API key"
    status = 401


class Malformed(InvalidInput):
    """The body is not JSON, or not the kind of JSON that is expected."""

    code = "request.malformed"
    title = "The request could not be read"


class UnknownPath(NotFound):
    """No endpoint has this path."""

    code = "request.unknown_path"
    title = "There is no such endpoint"


class MethodNotAllowed(ControlPlaneError):
    """The path exists but has no such verb."""

    code = "request.method_not_allowed"
    title = "This path has no such verb"
    status = 405


class NotAcceptable(ControlPlaneError):
    """The Accept header names nothing that the endpoint can answer with."""

    code = "request.not_acceptable"
    title = "The answer cannot be given in that form"
    status = 406


class TooLarge(ControlPlaneError):
    """The body is over the limit."""

    code = "request.too_large"
    title = "The request is too large"
    status = 413


class UnsupportedMediaType(ControlPlaneError):
    """The body is not application/json."""

    code = "request.unsupported_media_type"
    title = "The body must be application/json"
    status = 415


class IdempotencyKeyReused(ControlPlaneError):
    """The key came before with another request."""

    code = "request.idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"
    status = 422


class PreconditionMalformed(InvalidInput):
    """`If-Match` is not a list of entity tags."""

    code = "request.precondition_malformed"
    title = "If-Match could not be read"


class DatabaseBusy(ControlPlaneError):
    """The database did not answer in time; nothing was changed."""

    code = "database.busy"
    title = "MCP is busy; try again in a moment"
    status = 503
    retry = Retry.LATER


class TooManyHeld(ControlPlaneError):
    """This process already holds as many long answers (event streams) as it may."""

    code = "request.too_many_held"
    title = "Too many event streams are open"
    status = 503
    retry = Retry.LATER


class ConstraintViolated(Conflict):
    """The database refused a change that raced with another one."""

    code = "state.raced"
    title = "It clashed with another change made at the same moment"


class InternalError(ControlPlaneError):
    """A defect in MCP; the request id leads to its trace in the logs."""

    code = "internal.error"
