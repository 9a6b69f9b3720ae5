"""Describing endpoints for the OpenAPI document: what every list, read and change has in common, said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from mcp.api.filters import Filter

F = TypeVar("F", bound=Callable[..., Any])
Shape = type[serializers.BaseSerializer[Any]]
QUERY: Final = "query"
HEADER: Final = "header"

KEY = OpenApiParameter("Idempotency-Key", str, HEADER, description="The same key and body answer the same and act once.")
DRY_RUN = OpenApiParameter("dry_run", bool, QUERY, description="Tell what would happen (steps, price, limits) and do nothing.")
WAIT = OpenApiParameter("Prefer", str, HEADER, description="`wait=N`: hold the answer up to N seconds (at most 60) for the end.")
IF_MATCH = OpenApiParameter("If-Match", str, HEADER, description="The ETag as read; 412 when it has changed since.")
IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, HEADER, description="An ETag; 304 when nothing has changed.")


class FieldProblem(serializers.Serializer[Any]):
    """One thing wrong with one field."""

    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """RFC 9457, as application/problem+json. Programs branch on `code`, which never changes; people read `detail`."""

    type = serializers.URLField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="For instance placement.capacity_exhausted.")
    request_id = serializers.CharField(help_text="Give it to the operator when you ask about this.")
    errors = FieldProblem(many=True)  # type: ignore[assignment]  # stubs: the class attribute of that name is typed otherwise


def _problems(*statuses: int) -> dict[Any, Any]:
    words = {
        400: "A field needs changing.", 401: "No valid key.", 403: "Your role or key does not allow this.",
        404: "There is no such thing in this account.", 409: "Not possible in the present state, or no room.",
        410: "Deleted; `last_known` has its last form.", 412: "It has changed since it was read.",
        422: "The Idempotency-Key belongs to another request.", 429: "Too many requests; see Retry-After.",
    }  # fmt: skip
    return {(s, "application/problem+json"): OpenApiResponse(Problem, description=words[s]) for s in statuses}


def listing(
    shape: Shape, name: str, summary: str, *, filters: Mapping[str, Filter] | None = None, order: Sequence[str] = (),
    **more: Any,
) -> Callable[[F], F]:  # fmt: skip
    """A keyset-paged list."""
    page = inline_serializer(
        f"{name[0].upper()}{name[1:]}Page",
        {
            "results": shape(many=True),
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
        },
    )
    parameters = [
        OpenApiParameter("limit", int, QUERY, description="1 to 500; 50 unless told."),
        OpenApiParameter("cursor", str, QUERY, description="Part of the addresses in next and previous."),
        *[OpenApiParameter(key, str, QUERY, description=one.help) for key, one in (filters or {}).items()],
    ]
    if order:
        names = [o.removeprefix("-") for o in order]
        both = [sign + n for n in names for sign in ("", "-")]
        parameters.append(OpenApiParameter("ordering", str, QUERY, enum=both, description=f"{order[0]} unless told."))
    parameters += more.pop("parameters", [])
    return extend_schema(
        operation_id=name, summary=summary, parameters=parameters, responses={200: page, **_problems(400, 401, 403, 429)}, **more
    )


def reading(shape: Any, name: str, summary: str, *, gone: bool = False, **more: Any) -> Callable[[F], F]:
    """One resource."""
    problems = _problems(401, 403, 404, 429, *([410] if gone else []))
    parameters = [IF_NONE_MATCH, *more.pop("parameters", [])]
    return extend_schema(operation_id=name, summary=summary, parameters=parameters, responses={200: shape, **problems}, **more)


def changing(
    request: Shape | None, shape: Any, name: str, summary: str, *, method: str = "post", status: int = 200,
    takes_time: bool = False, **more: Any,
) -> Callable[[F], F]:  # fmt: skip
    """A change. 202 with the operation where it takes time."""
    parameters = [DRY_RUN, *more.pop("parameters", [])]
    parameters += {"post": [KEY], "patch": [IF_MATCH]}.get(method, [])
    parameters += [WAIT] if takes_time else []
    answers = {202: shape, 200: shape} if takes_time else {status: shape}
    problems = _problems(400, 401, 403, 404, 409, 429, *{"post": [422], "patch": [412]}.get(method, []))
    return extend_schema(
        operation_id=name, summary=summary, request=request, parameters=parameters, responses={**answers, **problems}, **more
    )
