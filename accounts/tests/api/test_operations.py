"""`/operations` for customers and operators."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import Account
from mcp.events.models import AuditEntry
from mcp.operations.models import Operation, StepRecord
from mcp.testing.drain import drain

PATH = "/api/v1/operations"
WISH = {"name": "web", "plan": "zone-256m", "image": "debian-12"}
LEAK = "10.1.2.3 refused: host sim1-h1 is out of inodes"


@pytest.fixture
def troubled(account: Account) -> Operation:
    """One that waits for an operator, with a machine's words in it."""
    steps = [StepRecord("image", "Copying", "done"), StepRecord("build", "Building", "acting", 3, message=LEAK)]
    return Operation.objects.create(
        kind="accelerator.create", account_id=account.pk, actor="x", target_type="accelerator", target_id=uuid4(),
        target_name="web", state="needs_attention", journal=Operation.journal_of(steps), operator_detail=LEAK,
        error_code="gear.unreachable", error_message="Creating the accelerator: The machine does not answer.",
        error_retryable=True, placement={"operator": {"top": [{"host": "sim1-h1"}]}, "customer": {"placed": 1}},
        message="An operator has been asked to look at this.", lanes=["host:sim1-h1"],
    )  # fmt: skip


def test_customers_read_what_happened_and_no_host(api: APIClient, troubled: Operation) -> None:
    response = api.get(f"{PATH}/{troubled.pk}")
    body = response.json()
    assert "sim1-h1" not in response.content.decode()
    assert "inodes" not in response.content.decode()
    assert body["error"] == {"code": "gear.unreachable", "message": troubled.error_message, "retryable": True}
    assert body["placement"] == {"placed": 1}
    assert body["steps"][1]["message"] == "An operator has been asked to look at this."
    assert body["steps"][1]["attempt"] == 3
    assert body["target"] == {"type": "accelerator", "id": str(troubled.target_id), "name": "web"}


def test_operators_read_it_all(operator_api: APIClient, troubled: Operation) -> None:
    body = operator_api.get(f"/api/v1/operator/operations/{troubled.pk}").json()
    assert body["operator_detail"] == LEAK
    assert body["steps"][1]["message"] == LEAK
    assert body["placement"]["top"] == [{"host": "sim1-h1"}]
    assert {"lease_owner", "lease_until", "fence", "lanes", "account"} <= set(body)
    waiting = operator_api.get("/api/v1/operator/operations", {"state": "needs_attention"}).json()["results"]
    assert [one["id"] for one in waiting] == [str(troubled.pk)]
    assert operator_api.get("/api/v1/operator/operations", {"account": str(uuid4())}).json()["results"] == []


def test_filters(api: APIClient, pod: Any, troubled: Operation) -> None:
    created = api.post("/api/v1/accelerators", {**WISH, "count": 3}).json()["results"]
    drain()

    def ids(**query: str) -> set[str]:
        return {one["id"] for one in api.get(PATH, query).json()["results"]}

    assert ids(state="needs_attention") == {str(troubled.pk)}
    assert ids(target=created[0]["id"]) == {created[0]["operation"]["id"]}
    assert len(ids(batch=created[0]["operation"]["batch"])) == 3
    assert len(ids(kind="accelerator.create")) == 4
    assert ids(created_after="2999-01-01T00:00:00Z") == set()
    for query in ({"state": "lost"}, {"target": "x"}, {"created_after": "now"}, {"host": "x"}):
        assert api.get(PATH, query).status_code == 400


def test_cancel_before_it_began(api: APIClient, pod: Any) -> None:
    operation = api.post("/api/v1/accelerators", WISH).json()["operation"]["id"]
    response = api.post(f"{PATH}/{operation}/cancel")
    assert response.status_code == 202
    assert response["Location"] == f"{PATH}/{operation}"
    assert response.json()["cancel_requested"] is True
    assert AuditEntry.objects.get(action="operation.cancel").target_id == operation
    drain()
    assert api.get(f"{PATH}/{operation}").json()["state"] == "cancelled"
    assert api.get("/api/v1/accelerators/web").json()["state"] == "failed"
    again = api.post(f"{PATH}/{operation}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "operation.not_cancellable")


def test_retry(api: APIClient, operator_api: APIClient, troubled: Operation) -> None:
    assert api.post(f"{PATH}/{troubled.pk}/retry").json()["state"] == "queued"
    refused = api.post(f"{PATH}/{troubled.pk}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "operation.not_retryable")
    cancelled = operator_api.post(f"/api/v1/operator/operations/{troubled.pk}/cancel")
    assert cancelled.status_code == 202
    assert cancelled["Location"] == f"/api/v1/operator/operations/{troubled.pk}"
    assert operator_api.post(f"/api/v1/operator/operations/{troubled.pk}/retry").status_code == 409


def test_a_dry_cancel_cancels_nothing(api: APIClient, troubled: Operation) -> None:
    body = api.post(f"{PATH}/{troubled.pk}/cancel?dry_run=true").json()
    assert body["resource"]["cancel_requested"] is True
    troubled.refresh_from_db()
    assert (troubled.state, troubled.cancel_requested) == ("needs_attention", False)
