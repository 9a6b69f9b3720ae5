"""RFC 9457 problem documents: every error, from whatever layer, leaves the API through `handle`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.exceptions import (
    ValidationError as ModelValidationError,
)
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from mcp.api import errors
from mcp.errors import ControlPlaneError, FieldError, Forbidden, InvalidInput, Throttled
from mcp.logs import request_id

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
# Of an error's context only these are for callers; the rest (an operator's view of a placement, say) stays inside.
PUBLIC_CONTEXT = ("placement", "last_known", "operation", "state", "short")


def handle(exc: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's exception handler. Never raises, never tells a caller what a trace would."""
    error = translate(exc)
    if error.status >= 500:
        log.error("request_failed", code=error.code, exc_info=exc if isinstance(error, errors.InternalError) else None)
    return Response(document(error), status=error.status, content_type=CONTENT_TYPE, headers=headers_of(error))


def document(error: ControlPlaneError) -> dict[str, Any]:
    """The problem document of an error."""
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/api/v1/errors#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id(),
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in error.errors],
    }
    body.update({name: error.context[name] for name in PUBLIC_CONTEXT if name in error.context})
    return body


def headers_of(error: ControlPlaneError) -> dict[str, str]:
    """Headers that some statuses owe."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="mcp"'
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.context.get("retry_after_s", 1))
    if "allow" in error.context:
        headers["Allow"] = str(error.context["allow"])
    return headers


def translate(exc: Exception) -> ControlPlaneError:
    """Any exception as one of the family."""
    if isinstance(exc, ControlPlaneError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(list(_flatten(exc.detail)))
    if isinstance(exc, exceptions.APIException):
        return _of_framework(exc)
    return _of_django(exc)


def _of_framework(exc: exceptions.APIException) -> ControlPlaneError:
    match exc:
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return errors.Unauthenticated(str(exc.detail))
        case exceptions.ParseError():
            return errors.Malformed(str(exc.detail))
        case exceptions.PermissionDenied():
            return Forbidden(str(exc.detail))
        case exceptions.NotFound():
            return errors.UnknownPath()
        case exceptions.MethodNotAllowed():
            return errors.MethodNotAllowed(str(exc.detail))
        case exceptions.NotAcceptable():
            return errors.NotAcceptable("This endpoint answers application/json.")
        case exceptions.UnsupportedMediaType():
            return errors.UnsupportedMediaType(f"{exc.detail} Send Content-Type: application/json.")
        case exceptions.Throttled():
            return Throttled(context={"retry_after_s": int(getattr(exc, "wait", None) or 1)})
        case _:
            return errors.InternalError()


def _of_django(exc: Exception) -> ControlPlaneError:
    match exc:
        case ModelValidationError():
            return _invalid(_model_errors(exc))
        case Http404():
            return errors.UnknownPath()
        case PermissionDenied():
            return Forbidden()
        case RequestDataTooBig():
            return errors.TooLarge()
        case SuspiciousOperation() | BadRequest():
            return errors.Malformed()
        case OperationalError():
            return errors.DatabaseBusy("Nothing was changed; send the request again.")
        case DataError():
            return errors.Malformed("A value is out of the range that can be stored.")
        case IntegrityError():
            return errors.ConstraintViolated("Nothing was changed; read it again and repeat the request.")
        case _:
            return errors.InternalError("This is a defect in MCP; give the operator the request id.")


def _invalid(found: list[FieldError]) -> InvalidInput:
    return InvalidInput("; ".join(f"{e.field}: {e.message}" for e in found), errors=found)


def _model_errors(exc: ModelValidationError) -> list[FieldError]:
    by_field = exc.message_dict if hasattr(exc, "error_dict") else {"": exc.messages}
    return [FieldError(field, "invalid", " ".join(texts)) for field, texts in by_field.items()]


def _flatten(detail: Any, path: str = "") -> Iterator[FieldError]:
    """REST framework's nested error lists as one line a fault; `nodes[2].port` is how a nested field is named."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            inner = path if key == "non_field_errors" else _join(path, key)
            yield from _flatten(value, inner)
    elif isinstance(detail, list | tuple):
        for item in detail:
            yield from _flatten(item, path)
    else:
        yield FieldError(path or "body", getattr(detail, "code", "invalid"), str(detail))


def _join(path: str, key: object) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


# --- Django's own error pages, for paths of the API ------------------------------------------------------------------


def _answer(request: HttpRequest, error: ControlPlaneError) -> JsonResponse:
    return JsonResponse(document(error), status=error.status, content_type=CONTENT_TYPE, headers=headers_of(error))


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`."""
    return _answer(request, errors.UnknownPath()) if _is_api(request) else defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`."""
    return _answer(request, errors.Malformed()) if _is_api(request) else defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`."""
    error = errors.InternalError("This is a defect in MCP; give the operator the request id.")
    return _answer(request, error) if _is_api(request) else defaults.server_error(request)
