"""Idempotency keys: one change a key, whatever is repeated, races or fails."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from mcp.api.models import IdempotencyRecord
from mcp.api.tasks import forget_idempotency_keys
from mcp.events.models import AuditEntry
from mcp.operations.models import Operation

PATH = "/api/v1/accelerators"
WISH = {"name": "web", "plan": "zone-256m", "image": "debian-12", "count": 3}


def post(api: APIClient, key: str, body: Any = WISH, path: str = PATH) -> Any:
    return api.post(path, body, HTTP_IDEMPOTENCY_KEY=key)


def test_the_same_again_answers_the_same_and_makes_none(api: APIClient, pod: Any) -> None:
    first = post(api, "k")
    again = post(api, "k", dict(reversed(WISH.items())))
    assert first.status_code == again.status_code == 202
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first
    assert Operation.objects.count() == 3
    assert AuditEntry.objects.filter(action="accelerator.create").count() == 1


@pytest.mark.parametrize(
    "change", [{"body": {**WISH, "count": 2}}, {"path": f"{PATH}?now=true"}, {"path": "/api/v1/account/api-keys"}]
)
def test_the_key_with_another_request_is_refused(api: APIClient, pod: Any, change: dict[str, Any]) -> None:
    post(api, "k")
    body = {"name": "x"} if "api-keys" in change.get("path", "") else WISH
    response = post(api, "k", **{"body": body, **change})
    assert response.status_code == 422
    assert response.json()["code"] == "request.idempotency_key_reused"
    assert Operation.objects.count() == 3


def test_keys_of_other_accounts_are_other_keys(api: APIClient, operator_api: APIClient, pod: Any) -> None:
    post(api, "k")
    response = post(operator_api, "k", {"slug": "other", "name": "Other"}, "/api/v1/operator/accounts")
    assert response.status_code == 201
    again = post(operator_api, "k", {"slug": "other", "name": "Other"}, "/api/v1/operator/accounts")
    assert again.json() == response.json()
    assert IdempotencyRecord.objects.values("owner").distinct().count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "snow☃"])
def test_malformed_keys_are_named(api: APIClient, pod: Any, key: str) -> None:
    response = post(api, key)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not Operation.objects.exists()


def test_a_refused_request_is_not_kept(api: APIClient, pod: Any) -> None:
    wanted = {**WISH, "name": "taken", "count": 1}
    api.post(PATH, wanted)
    assert post(api, "k", wanted).status_code == 409
    assert not IdempotencyRecord.objects.exists()
    assert post(api, "k").status_code == 202


def test_a_crash_leaves_neither_change_nor_record(api: APIClient, pod: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("mcp.api.changes.keep", lambda *_: 1 / 0)
        assert post(api, "k").status_code == 500
    assert not IdempotencyRecord.objects.exists()
    assert not Operation.objects.exists()
    assert post(api, "k").status_code == 202


def test_a_dry_run_does_not_use_the_key_up(api: APIClient, pod: Any) -> None:
    assert post(api, "k", path=f"{PATH}?dry_run=true").status_code == 200
    assert not IdempotencyRecord.objects.exists()
    assert post(api, "k").status_code == 202


def test_secrets_in_answers_are_sealed_at_rest(api: APIClient) -> None:
    path = "/api/v1/account/api-keys"
    first = post(api, "k", {"name": "ci"}, path)
    key = first.json()["key"]
    assert key not in IdempotencyRecord.objects.get().sealed_body
    assert post(api, "k", {"name": "ci"}, path).json()["key"] == key


def test_a_repeated_request_does_not_look_at_the_machine_again(operator_api: APIClient, pod: Any, simulated: Any) -> None:
    simulated.add_host("extra")
    body = {"address": "extra", "pod": "sim1", "driver": "simulated", "options": {"pod": "sim1"}}
    first = post(operator_api, "k", body, "/api/v1/operator/hosts")
    assert first.status_code == 201, first.content
    simulated.host("extra").go_down()
    again = post(operator_api, "k", body, "/api/v1/operator/hosts")
    assert (again.status_code, again.json()) == (201, first.json())


def test_answers_are_forgotten_after_a_day(api: APIClient, pod: Any) -> None:
    post(api, "old")
    post(api, "new", {**WISH, "name": "b"})
    IdempotencyRecord.objects.filter(key="old").update(created_at=timezone.now() - timedelta(hours=25))
    forget_idempotency_keys()
    assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["new"]


@pytest.mark.django_db(transaction=True)
def test_many_at_once_under_one_key_make_exactly_one(api: APIClient, pod: Any, owner_key: str) -> None:
    barrier, answers = threading.Barrier(6), []

    def send() -> None:
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {owner_key}")
        barrier.wait(10)
        try:
            answers.append(post(client, "race"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [202] * 6, [answer.content for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replay" in answer for answer in answers) == 5
    assert Operation.objects.count() == 3
    assert IdempotencyRecord.objects.count() == 1
