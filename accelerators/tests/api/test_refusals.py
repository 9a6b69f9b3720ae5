"""Refused requests: what the caller is told for each mask, what is kept, and what operators read of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accelerators.models import Accelerator
from accelerators.services.create import create_accelerators
from accelerators.services.wish import CreateWish
from accelerators.testing.make import make_plan
from accelerators.testing.masks import EVERY, HOSTS, build
from accelerators.testing.world import World, make_world
from accounts.models import AccountLimit
from accounts.testing import client_with, make_key
from mcp.operations.models import Operation
from pods.errors import AddressesExhausted, CapacityExhausted, PlacementContended
from pods.models import Allocation, Refusal
from pods.placement.words import REASONS
from pods.services import claim as claiming
from pods.services.room import Snatched

PATH = "/api/v1/accelerators"
REFUSALS = "/api/v1/operator/refusals"
WISH = {"name": "web", "plan": "zone-256m", "image": "busybox"}


def caller(world: World) -> APIClient:
    return client_with(make_key(world.account))


@pytest.mark.parametrize("mask", EVERY)
def test_each_mask_in_turn_is_named_with_its_count_and_no_host(db: None, operator_api: APIClient, mask: str) -> None:
    case = build(mask)
    before = Accelerator.objects.count()
    answer = caller(case.world).post(PATH, {**case.wish})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "placement.capacity_exhausted"), problem
    shown = problem["placement"]
    assert shown["removed"] == case.removed
    assert shown["short"] == case.short
    assert (shown["evaluated"], shown["suitable"], shown["asked"], shown["placed"]) == (len(HOSTS), 0, 1, 0)
    assert shown["advice"]
    words = f"short of {mask}" if mask in case.short else REASONS[mask] if mask != "kind" else "not for vms"
    assert f"{case.counts[mask]} {words}" in problem["detail"]
    assert [secret for secret in case.secrets if secret in answer.content.decode()] == []
    assert Accelerator.objects.count() == before

    (listed,) = operator_api.get(REFUSALS).json()["results"]
    assert listed["account_slug"] == case.world.account.slug
    assert listed["placement"]["customer"] == shown
    assert listed["placement"]["operator"]["removed"] == case.removed
    assert operator_api.get(f"{REFUSALS}/{listed['id']}").json() == listed


@pytest.mark.parametrize("mask", EVERY)
def test_a_dry_run_tells_the_same_and_no_host_either(db: None, mask: str) -> None:
    case = build(mask)
    answer = caller(case.world).post(f"{PATH}?dry_run=true", {**case.wish})
    assert answer.json()["placement"]["removed"] == case.removed
    assert [secret for secret in case.secrets if secret in answer.content.decode()] == []
    assert Refusal.objects.get().request["dry_run"] is True


def test_what_was_accepted_tells_no_host_anywhere(db: None) -> None:
    case = build("spread")
    api = caller(case.world)
    made = api.post(PATH, {**WISH, "name": "near", "near": "herd"}).json()
    assert made["operation"]["placement"]["suitable"] == 4
    texts = [str(made), api.get(f"/api/v1/operations/{made['operation']['id']}").content.decode()]
    texts += [api.get(path).content.decode() for path in (f"{PATH}/near", f"{PATH}/near/timeline", "/api/v1/operations")]
    texts.append(api.post(f"{PATH}?dry_run=true", {**WISH, "name": "third", "count": 2}).content.decode())
    assert [(secret, text[:80]) for secret in case.secrets for text in texts if secret in text] == []
    assert not Refusal.objects.exists(), "what is accepted is no refusal"


def test_operators_read_everything(db: None, operator_api: APIClient) -> None:
    case = build("memory")
    caller(case.world).post(PATH, {**case.wish, "name": "big", "tags": {"secret": "tag"}, "user_script": "#!/bin/sh\nsecret"})
    (row,) = operator_api.get(REFUSALS).json()["results"]
    whole = row["placement"]["operator"]
    assert any(miss.startswith(HOSTS) for miss in whole["nearest"])
    assert whole["weights"]["balance"] == 1.0
    assert whole["took_ms"] > 0
    assert (row["request"]["plan"], row["request"]["count"], row["request"]["name"]) == ("zone-256m", 1, "big")
    assert "secret" not in str(row), "scripts and tags are the customer's own affair"


def test_operators_operations_show_scores_and_customers_do_not(world: World, operator_api: APIClient) -> None:
    operation = world.create("web").operations[0]
    whole = operator_api.get(f"/api/v1/operator/operations/{operation.pk}").json()["placement"]
    assert {entry["host"] for entry in whole["top"]} == {"h1", "h2"}
    told = caller(world).get(f"/api/v1/operations/{operation.pk}").json()["placement"]
    assert set(told) == {"evaluated", "removed", "short", "suitable", "asked", "placed", "advice"}


def test_filters(world: World, operator_api: APIClient) -> None:
    old = Refusal.objects.create(code="placement.contended", sentence="x", created_at=timezone.now() - timedelta(days=3))
    caller(world).post(PATH, {**WISH, "plan": "zone-64g"})
    new = Refusal.objects.exclude(pk=old.pk).get()

    def ids(**filters: Any) -> list[str]:
        return [row["id"] for row in operator_api.get(REFUSALS, filters).json()["results"]]

    assert ids() == [str(new.pk), str(old.pk)]
    assert ids(account=str(world.account.pk)) == [str(new.pk)]
    assert ids(account=str(uuid4())) == []
    assert ids(code="placement.contended") == [str(old.pk)]
    assert ids(code="placement.contended,placement.capacity_exhausted") == [str(new.pk), str(old.pk)]
    assert ids(since=(timezone.now() - timedelta(days=1)).isoformat()) == [str(new.pk)]
    for bad in ({"code": "x"}, {"since": "yesterday"}, {"account": "acme"}, {"plan": "zone-1g"}):
        answer = operator_api.get(REFUSALS, bad)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(bad)))
    assert operator_api.get(f"{REFUSALS}/{uuid4()}").status_code == 404
    assert operator_api.get(f"{REFUSALS}/nonsense").status_code == 404
    assert caller(world).get(REFUSALS).status_code == 403


def test_under_an_idempotency_key_the_refusal_stays_and_the_key_is_free(world: World) -> None:
    api = caller(world)
    for number in (1, 2):
        answer = api.post(PATH, {**WISH, "plan": "zone-64g"}, HTTP_IDEMPOTENCY_KEY="once")
        assert answer.status_code == 409
        assert "Idempotent-Replay" not in answer
        assert Refusal.objects.count() == number
    assert api.post(PATH, WISH, HTTP_IDEMPOTENCY_KEY="once").status_code == 202
    assert api.post(PATH, WISH, HTTP_IDEMPOTENCY_KEY="once")["Idempotent-Replay"] == "true"
    assert Refusal.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_it_is_kept_after_a_real_rollback() -> None:
    world = make_world()
    make_plan("huge", memory_mib=65_536)
    answer = caller(world).post(PATH, {**WISH, "plan": "huge"}, HTTP_IDEMPOTENCY_KEY="once")
    assert answer.status_code == 409
    row = Refusal.objects.get()
    assert (row.code, row.sentence) == (CapacityExhausted.code, answer.json()["detail"])
    assert not Operation.objects.exists()


def test_contended_is_kept_with_what_was_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def snatched(*args: Any, **more: Any) -> None:
        raise Snatched

    monkeypatch.setattr(claiming, "take_from", snatched)
    answer = caller(world).post(PATH, WISH)
    assert (answer.status_code, answer.json()["code"]) == (503, PlacementContended.code)
    assert answer.json()["placement"]["suitable"] == 2
    row = Refusal.objects.get()
    assert row.code == PlacementContended.code
    assert {entry["host"] for entry in row.placement["operator"]["top"]} == {"h1", "h2"}


def test_no_address_is_kept_with_where_there_was_room(db: None) -> None:
    world = make_world(cidr="10.99.0.0/30")  # the gateway's, and one more
    api = caller(world)
    assert api.post(PATH, {**WISH, "name": "first"}).status_code == 202
    answer = api.post(PATH, WISH)
    assert (answer.status_code, answer.json()["code"]) == (409, AddressesExhausted.code)
    assert answer.json()["placement"]["placed"] == 1
    row = Refusal.objects.get()
    assert row.code == AddressesExhausted.code
    assert row.placement["operator"]["top"]
    assert Allocation.objects.count() == 1, "the room went back with the rest"


def test_other_errors_are_no_refusals(world: World) -> None:
    api = caller(world)
    assert api.post(PATH, {**WISH, "plan": "nothing"}).status_code == 400
    AccountLimit.objects.create(account=world.account, resource="accelerators", limit=0)
    assert api.post(PATH, WISH).json()["code"] == "account.limit_exceeded"
    assert not Refusal.objects.exists()


def test_the_service_alone_keeps_nothing(world: World) -> None:
    """Whoever rehearses (the price panel) asks for nothing yet."""
    with pytest.raises(CapacityExhausted):
        create_accelerators(actor=world.actor, wish=CreateWish(name="web", plan="zone-64g", image="busybox"))
    assert not Refusal.objects.exists()
