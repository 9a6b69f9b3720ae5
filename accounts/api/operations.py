"""`/operations`, and the operators' view of the same rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import as_id
from accounts.api.views import CustomerView, OperatorView, account, actor
from accounts.services.cancel_operation import cancel_operation
from accounts.services.retry_operation import retry_operation
from mcp.api.changes import Outcome, carry_out
from mcp.api.fields import EmptySerializer
from mcp.api.filters import Filter, choice, filtered, identifier, moment, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import NotFound
from mcp.operations.models import Operation
from mcp.operations.states import OperationState, StepState

ORDER = ("-created_at",)
FILTERS: dict[str, Filter] = {
    "state": choice("state", OperationState.values, "By state."),
    "kind": text("kind", "By kind, such as accelerator.create."),
    "target": identifier("target_id", "By the id of what it works on."),
    "batch": identifier("batch_id", "Those of one request with a count."),
    "created_after": moment("created_at__gt", "Asked for after this time."),
}
OPERATOR_FILTERS: dict[str, Filter] = {**FILTERS, "account": identifier("account_id", "By account id.")}


class TargetShape(serializers.Serializer[Any]):
    """What an operation works on."""

    type = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()


class StepShape(serializers.Serializer[Any]):
    """One step."""

    name = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=StepState.choices)
    attempt = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    message = serializers.CharField()


class OperationErrorShape(serializers.Serializer[Any]):
    """Why it did not succeed."""

    code = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField(help_text="Whether the same may succeed later.")


class OperationShape(serializers.Serializer[Any]):
    """Something that takes time."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    target = TargetShape()
    batch = serializers.UUIDField(allow_null=True, help_text="Shared by the operations of one request.")
    state = serializers.ChoiceField(choices=OperationState.choices)
    progress = serializers.IntegerField(min_value=0, max_value=100)
    message = serializers.CharField(help_text="What it is doing, or waiting for.")
    cancel_requested = serializers.BooleanField()
    steps = StepShape(many=True)
    error = OperationErrorShape(allow_null=True)
    placement = serializers.JSONField(allow_null=True, help_text="How many hosts were looked at, and what ruled them out.")
    result = serializers.JSONField()
    actor = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class OperatorOperationShape(OperationShape):
    """The same with what only operators need."""

    account = serializers.UUIDField(allow_null=True)
    operator_detail = serializers.CharField(help_text="The last error as the machine told it.")
    attempt = serializers.IntegerField()
    fence = serializers.IntegerField()
    lease_owner = serializers.CharField()
    lease_until = serializers.DateTimeField(allow_null=True)
    not_before = serializers.DateTimeField()
    queue = serializers.CharField()
    lanes = serializers.ListField(child=serializers.CharField())
    request_id = serializers.CharField()


def present_operation(row: Operation) -> dict[str, Any]:
    """As customers see it: no host, no gear, no lease."""
    failed = {"code": row.error_code, "message": row.error_message, "retryable": row.error_retryable}
    return {
        "id": row.pk, "kind": row.kind,
        "target": {"type": row.target_type, "id": row.target_id, "name": row.target_name},
        "batch": row.batch_id, "state": row.state, "progress": row.progress, "message": row.message,
        "cancel_requested": row.cancel_requested, "steps": [_public_step(row, step) for step in row.journal],
        "error": failed if row.error_code else None, "placement": (row.placement or {}).get("customer"),
        "result": row.result, "actor": row.actor, "created_at": row.created_at, "started_at": row.started_at,
        "finished_at": row.finished_at,
    }  # fmt: skip


def _step(step: dict[str, Any], message: str) -> dict[str, Any]:
    return {
        "name": step["name"], "title": step["title"], "state": step["state"], "attempt": step["attempt"],
        "started_at": step["started_at"], "finished_at": step["finished_at"], "message": message,
    }  # fmt: skip


def _public_step(row: Operation, step: dict[str, Any]) -> dict[str, Any]:
    """The journal's own message may name a host; the operation's is written for customers."""
    message = ""
    if step["state"] == StepState.FAILED:
        message = row.error_message
    elif step["state"] == StepState.ACTING:
        message = row.message
    return _step(step, message)


def present_to_operator(row: Operation) -> dict[str, Any]:
    """Everything but the steps' data."""
    placement = row.placement or {}
    return {
        **present_operation(row),
        "steps": [_step(step, step["message"]) for step in row.journal],
        "placement": placement.get("operator", row.placement), "account": row.account_id,
        "operator_detail": row.operator_detail, "attempt": row.attempt, "fence": row.fence,
        "lease_owner": row.lease_owner, "lease_until": row.lease_until, "not_before": row.not_before,
        "queue": row.queue, "lanes": row.lanes, "request_id": row.request_id,
    }  # fmt: skip


def _one(rows: QuerySet[Operation], ref: str) -> Operation:
    key = as_id(ref)
    row = rows.filter(pk=key).first() if key is not None else None
    if row is None:
        raise NotFound(f"There is no operation {ref[:80]!r}.")
    return row


class OperationsView(CustomerView):
    """`/operations`."""

    noun = "operations"

    @listing(OperationShape, "operations", "Operations", filters=FILTERS, order=ORDER, tags=["operations"])
    def get(self, request: Request) -> Response:
        """Newest first. `?batch=` follows all operations of one request."""
        page = paged(request, filtered(request, Operation.objects.filter(account_id=account(request).pk), FILTERS), ORDER)
        return Response(page.body([present_operation(row) for row in page.rows]))


class OperationView(CustomerView):
    """`/operations/{id}`."""

    noun = "operations"

    @reading(OperationShape, "operation", "One operation", tags=["operations"])
    def get(self, request: Request, ref: str) -> Response:
        """Its state, its steps with their times, and its error if it failed."""
        return one(request, present_operation(_one(Operation.objects.filter(account_id=account(request).pk), ref)))


class CancelView(CustomerView):
    """`/operations/{id}/cancel`."""

    noun = "operations"

    @changing(EmptySerializer, OperationShape, "cancelOperation", "Cancel an operation", takes_time=True, tags=["operations"])
    def post(self, request: Request, ref: str) -> Response:
        """It turns back at its next step and takes back what it did. A deletion cannot be cancelled."""
        parsed(EmptySerializer, request)
        row = _one(Operation.objects.filter(account_id=account(request).pk), ref)
        return carry_out(request, lambda: _told(cancel_operation(actor=actor(request), operation_id=row.pk)))


class RetryView(CustomerView):
    """`/operations/{id}/retry`."""

    noun = "operations"

    @changing(EmptySerializer, OperationShape, "retryOperation", "Try an operation again", takes_time=True, tags=["operations"])
    def post(self, request: Request, ref: str) -> Response:
        """For an operation that needs attention; it goes on from the step where it stopped."""
        parsed(EmptySerializer, request)
        row = _one(Operation.objects.filter(account_id=account(request).pk), ref)
        return carry_out(request, lambda: _told(retry_operation(actor=actor(request), operation_id=row.pk)))


def _told(row: Operation, *, operator: bool = False) -> Outcome:
    present = present_to_operator if operator else present_operation
    prefix = "/api/v1/operator" if operator else "/api/v1"
    key: UUID = row.pk
    return Outcome(
        lambda: present(Operation.objects.get(pk=key)), status=202, location=f"{prefix}/operations/{key}", operations=[row]
    )


class OperatorOperationsView(OperatorView):
    """`/operator/operations`."""

    @listing(
        OperatorOperationShape, "operatorOperations", "Operations of all accounts", filters=OPERATOR_FILTERS, order=ORDER,
        tags=["operator"],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """`?state=needs_attention` is what waits for you."""
        page = paged(request, filtered(request, Operation.objects.all(), OPERATOR_FILTERS), ORDER)
        return Response(page.body([present_to_operator(row) for row in page.rows]))


class OperatorOperationView(OperatorView):
    """`/operator/operations/{id}`."""

    @reading(OperatorOperationShape, "operatorOperation", "One operation", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """With what the machines said, the lease and the fence."""
        return one(request, present_to_operator(_one(Operation.objects.all(), ref)))


class OperatorCancelView(OperatorView):
    """`/operator/operations/{id}/cancel`."""

    @changing(
        EmptySerializer, OperatorOperationShape, "operatorCancelOperation", "Cancel an operation", takes_time=True,
        tags=["operator"],
    )  # fmt: skip
    def post(self, request: Request, ref: str) -> Response:
        """Like the customer's verb."""
        parsed(EmptySerializer, request)
        row = _one(Operation.objects.all(), ref)
        return carry_out(request, lambda: _told(cancel_operation(actor=actor(request), operation_id=row.pk), operator=True))


class OperatorRetryView(OperatorView):
    """`/operator/operations/{id}/retry`."""

    @changing(
        EmptySerializer, OperatorOperationShape, "operatorRetryOperation", "Try an operation again", takes_time=True,
        tags=["operator"],
    )  # fmt: skip
    def post(self, request: Request, ref: str) -> Response:
        """Like the customer's verb."""
        parsed(EmptySerializer, request)
        row = _one(Operation.objects.all(), ref)
        return carry_out(request, lambda: _told(retry_operation(actor=actor(request), operation_id=row.pk), operator=True))
