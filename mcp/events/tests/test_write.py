"""Writing events and audit entries: in the caller's transaction, bounded where text comes from outside."""

from __future__ import annotations

from datetime import timedelta

import pytest
import structlog
from django.db import transaction
from django.utils import timezone

from mcp.events.models import AuditEntry, Event
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit, emit_operation
from mcp.ids import new_id
from mcp.operations.models import Operation

pytestmark = pytest.mark.django_db


def test_an_event_is_as_it_was_told() -> None:
    target, account, operation = new_id(), new_id(), new_id()
    emit("a.b", "It <b>.", target_type="t", target_id=target, account_id=account, operation_id=operation, data={"x": [1]})
    row = Event.objects.get()
    assert (row.kind, row.message, row.target_id, row.account_id, row.operation_id) == (
        "a.b",
        "It <b>.",
        target,
        account,
        operation,
    )
    assert (row.data, row.actor, row.target_name) == ({"x": [1]}, "", "")


def test_what_is_rolled_back_was_never_told() -> None:
    with transaction.atomic():
        emit("a", "x", target_type="t", target_id=new_id())
        audit("a", actor="x", target_type="t", target_id=new_id())
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    assert not AuditEntry.objects.exists()


def test_long_words_from_outside_are_cut_and_the_request_is_named() -> None:
    with structlog.contextvars.bound_contextvars(request_id="trace-me-1"):
        audit("a", actor="x" * 500, source="y" * 500, target_type="t", target_id="z", target_name="w" * 500)
    row = AuditEntry.objects.get()
    assert (len(row.actor), len(row.source), len(row.target_name), row.request_id) == (200, 64, 120, "trace-me-1")


@pytest.mark.parametrize(("code", "words"), [("", "k: succeeded after 2.5 s."), ("gear.x", "k: succeeded after 2.5 s: Oh.")])
def test_the_end_of_an_operation(code: str, words: str) -> None:
    now = timezone.now()
    operation = Operation(
        kind="k", state="succeeded", target_type="t", target_id=new_id(), target_name="n", actor="me", created_at=now,
        finished_at=now + timedelta(seconds=2.5), error_code=code, error_message="Oh." if code else "",
    )  # fmt: skip
    event = emit_operation(operation)
    assert (event.kind, event.message) == ("operation.succeeded", words)
    assert event.data == ({"error": {"code": code}} if code else {})
    operation.state, operation.finished_at = "needs_attention", None
    assert emit_operation(operation).message.startswith("k: needs attention")
