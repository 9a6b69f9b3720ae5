"""The base of every view: one way in (key, budget, body), one way out (headers), and the endpoints that know no noun."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from mcp.api import errors
from mcp.api.codes import all_codes
from mcp.api.etag import tag_of, unchanged
from mcp.api.filters import param
from mcp.api.parsers import BoundedJSONParser
from mcp.api.throttle import Budget, BudgetThrottle
from mcp.errors import InvalidInput


class ApiView(APIView):
    """Strict reading, budgets, and their headers on every answer."""

    parser_classes = (BoundedJSONParser,)
    throttle_classes: Any = (BudgetThrottle,)
    permission_classes: Any = (IsAuthenticated,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what no endpoint understands. Raises InvalidInput."""
        super().initial(request, *args, **kwargs)
        for name in request.query_params:
            if not (name + param(request, name)).isprintable():
                raise InvalidInput.on(name[:80] if name.isprintable() else "query", "must not hold control characters.")
        if not all(str(value).isprintable() for value in kwargs.values()):
            raise errors.UnknownPath("The path holds control characters.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Add the budget's headers; keep answers out of shared caches."""
        response = super().finalize_response(request, response, *args, **kwargs)
        budget = request.META.get("MCP_BUDGET")
        if isinstance(budget, Budget):
            for name, value in budget.headers().items():
                response[name] = value
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-cache"
        return cast(Response, response)  # or a stream, which the stubs do not foresee

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Raises MethodNotAllowed naming what there is."""
        allowed = ", ".join(method for method in self.allowed_methods if method != "OPTIONS")
        raise errors.MethodNotAllowed(f"{request.method} is not possible here; there is {allowed}.", context={"allow": allowed})


def parsed(serializer: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """The checked body. Raises ValidationError, which becomes a problem that names each field."""
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def one(request: Request, body: Any, revision: int | None = None) -> Response:
    """A single resource with its entity tag; 304 when the caller has it already."""
    tag = tag_of(body, revision)
    if unchanged(request, tag):
        return Response(status=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag})


class Anybody(BasePermission):
    """For what is no secret: the list of error codes, and the 404 of unknown paths."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Yes."""
        return True


class OpenView(ApiView):
    """Needs no key and spends no budget."""

    authentication_classes = ()
    permission_classes = (Anybody,)
    throttle_classes = ()


@extend_schema(exclude=True)
class UnknownPathView(OpenView):
    """The last route: whatever no other one takes."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Every method ends in the same problem document. Raises UnknownPath."""
        super().initial(request)
        raise errors.UnknownPath(f"There is no {request.path[:200]}; /api/v1/docs lists what there is.")


@extend_schema(exclude=True)
class ErrorCodesView(OpenView):
    """Where the `type` of every problem document points: what each code means."""

    def get(self, request: Request) -> Response:
        """All codes, sorted."""
        return Response({"results": all_codes()})
