"""The operators' knobs of placement in the API: weights, traits, whose host it is, N+1."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accelerators.models import Plan
from accounts.models import Account
from mcp.events.models import AuditEntry
from pods.models import Host, PlacementWeight, Pod
from pods.placement.scores import DEFAULT_WEIGHTS, TERMS
from pods.services.weights import placement_weights

WEIGHTS = "/api/v1/operator/placement/weights"
HOST = "/api/v1/operator/hosts/sim1-h1"


def weights(answer: Any) -> dict[str, float]:
    return {row["term"]: row["weight"] for row in answer.json()["results"]}


def test_every_term_is_told_with_meaning_default_and_weight(operator_api: APIClient) -> None:
    rows = operator_api.get(WEIGHTS).json()["results"]
    assert [(row["term"], row["meaning"], row["default"], row["weight"], row["changed"]) for row in rows] == [
        (term, meaning, DEFAULT_WEIGHTS[term], DEFAULT_WEIGHTS[term], False) for term, meaning in TERMS.items()
    ]


def test_weights_are_set_counted_and_put_back(operator_api: APIClient) -> None:
    answer = operator_api.patch(WEIGHTS, {"pack": 3, "balance": 0})
    assert (weights(answer)["pack"], weights(answer)["balance"]) == (3, 0)
    assert placement_weights()["pack"] == 3
    assert AuditEntry.objects.get(action="placement.weights").changes == {"pack": 3, "balance": 0}
    assert weights(operator_api.patch(WEIGHTS, {"pack": None, "balance": None})) == dict(DEFAULT_WEIGHTS)
    assert not PlacementWeight.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"packing": 1}, "packing"),
        ({"pack": 101}, "pack"),
        ({"pack": -1}, "pack"),
        ({"pack": "2"}, "pack"),
        ({"pack": True}, "pack"),
    ],
)
def test_bad_weights_are_named(operator_api: APIClient, body: dict[str, Any], field: str) -> None:
    answer = operator_api.patch(WEIGHTS, body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert not PlacementWeight.objects.exists()


def test_a_dry_run_and_a_stale_tag_change_nothing(operator_api: APIClient) -> None:
    tag = operator_api.get(WEIGHTS)["ETag"]
    dry = operator_api.patch(f"{WEIGHTS}?dry_run=true", {"pack": 3}).json()
    assert {row["term"]: row["weight"] for row in dry["resource"]["results"]}["pack"] == 3
    assert not PlacementWeight.objects.exists()
    assert operator_api.patch(WEIGHTS, {"pack": 3}, HTTP_IF_MATCH=tag).status_code == 200
    assert operator_api.patch(WEIGHTS, {"pack": 4}, HTTP_IF_MATCH=tag).status_code == 412


def test_customers_see_no_knobs(api: APIClient) -> None:
    assert api.get(WEIGHTS).status_code == 403
    assert api.patch(WEIGHTS, {"pack": 3}).status_code == 403


def test_a_host_has_traits_and_an_account_of_its_own(operator_api: APIClient, pod: Pod, account: Account) -> None:
    body = operator_api.patch(HOST, {"traits": ["ssd", "gpu-a100"], "exclusive_account": "acme"}).json()
    assert (body["traits"], body["exclusive_account"]) == (["ssd", "gpu-a100"], "acme")
    host = Host.objects.get(name="sim1-h1")
    assert host.exclusive_account_id == account.pk
    entry = AuditEntry.objects.get(action="host.edit")
    assert entry.changes["exclusive_account_id"] == ["None", str(account.pk)]
    assert operator_api.get(HOST).json()["exclusive_account"] == "acme"
    assert {row["exclusive_account"] for row in operator_api.get("/api/v1/operator/hosts").json()["results"]} == {"acme", None}
    assert operator_api.patch(HOST, {"name": "sim1-h1"}).json()["exclusive_account"] == "acme", "what is not said stays"
    for nobody in (None, ""):
        operator_api.patch(HOST, {"exclusive_account": "acme"})
        assert operator_api.patch(HOST, {"exclusive_account": nobody}).json()["exclusive_account"] is None


@pytest.mark.parametrize("words", [["GPU"], ["a b"], [""], ["a" * 41], ["ä"], ["x"] * 51, ["under_score"], [1]])
def test_traits_have_a_grammar(operator_api: APIClient, pod: Pod, words: list[Any]) -> None:
    answer = operator_api.patch(HOST, {"traits": words})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith("traits")
    assert Host.objects.get(name="sim1-h1").traits == []


def test_an_unknown_account_is_named(operator_api: APIClient, pod: Pod) -> None:
    answer = operator_api.patch(HOST, {"exclusive_account": "nobody"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "exclusive_account")


def test_plans_images_and_pods(operator_api: APIClient, pod: Pod) -> None:
    plan = "/api/v1/operator/plans/zone-256m"
    body = operator_api.patch(plan, {"required_traits": ["ssd"], "forbidden_traits": ["old"]}).json()
    assert (body["required_traits"], body["forbidden_traits"]) == (["ssd"], ["old"])
    both = operator_api.patch(plan, {"forbidden_traits": ["ssd"]})
    assert (both.status_code, both.json()["errors"][0]["field"]) == (400, "forbidden_traits")
    assert Plan.objects.get(slug="zone-256m").forbidden_traits == ["old"]
    image = operator_api.patch("/api/v1/operator/images/debian-12", {"required_traits": ["kernel-6"]}).json()
    assert image["required_traits"] == ["kernel-6"]
    assert operator_api.patch("/api/v1/operator/images/debian-12", {"required_traits": ["K"]}).status_code == 400
    assert operator_api.patch("/api/v1/operator/pods/sim1", {"n_plus_one": True}).json()["n_plus_one"] is True
    assert operator_api.patch("/api/v1/operator/pods/sim1", {"n_plus_one": "yes"}).status_code == 400
    assert Pod.objects.get(slug="sim1").n_plus_one


def test_a_new_plan_may_say_what_it_needs(operator_api: APIClient) -> None:
    new = {
        "slug": "zone-gpu", "name": "GPU", "memory_mib": 384, "vcpus": "1", "disk_gib": 8, "price_hourly": "0.0400",
        "price_monthly": "29.00", "price_yearly": "290.00",
    }  # fmt: skip
    bad = operator_api.post("/api/v1/operator/plans", {**new, "required_traits": ["a"], "forbidden_traits": ["a"]})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "forbidden_traits")
    assert operator_api.post("/api/v1/operator/plans", {**new, "required_traits": ["gpu"]}).json()["required_traits"] == ["gpu"]


def test_traits_and_accounts_decide_who_goes_where(operator_api: APIClient, api: APIClient, pod: Pod, account: Account) -> None:
    """Through the edges alone: say what hosts have, ask, and see."""
    wish = {"plan": "zone-256m", "image": "debian-12"}
    operator_api.patch("/api/v1/operator/plans/zone-256m", {"required_traits": ["ssd"]})
    refused = api.post("/api/v1/accelerators", {**wish, "name": "web"})
    assert refused.json()["placement"]["removed"]["traits"] == 2
    operator_api.patch(HOST, {"traits": ["ssd"]})
    assert api.post("/api/v1/accelerators", {**wish, "name": "web"}).status_code == 202
    assert Host.objects.get(guests=1).name == "sim1-h1"
    Account.objects.create(slug="globex", name="Globex")
    operator_api.patch(HOST, {"exclusive_account": "globex"})
    assert api.post("/api/v1/accelerators", {**wish, "name": "web2"}).json()["placement"]["removed"]["exclusive"] == 1
