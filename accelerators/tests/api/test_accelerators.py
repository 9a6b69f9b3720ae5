"""`/accelerators` through the API: make, list, read, change, delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from accelerators.models import Accelerator
from accelerators.testing.make import ask_for, make_running
from accounts.actor import Actor
from accounts.models import Account
from accounts.services.govern import govern_account
from accounts.testing import client_with, make_account, make_key
from mcp.errors import Forbidden
from mcp.operations.models import Operation
from mcp.testing.drain import drain
from pods.gear.errors import GearRefused
from pods.gear.simulated import SimulatedPod
from pods.models import Address, Allocation, Pod

PATH = "/api/v1/accelerators"
WISH: dict[str, Any] = {"name": "web", "plan": "zone-256m", "image": "debian-12"}
FIELDS = {
    "id", "name", "kind", "state", "power", "plan", "image", "pod", "addresses", "dns_names", "tags", "metadata", "ssh_keys",
    "protected", "price", "created_at", "operation", "trash_until", "failure", "group", "spread",
}  # fmt: skip


def test_create_one(api: APIClient, pod: Pod) -> None:
    response = api.post(PATH, {**WISH, "tags": {"role": "web"}, "metadata": {"note": "mine"}})
    body = response.json()
    assert response.status_code == 202
    assert set(body) >= FIELDS
    assert response["Location"] == f"/api/v1/operations/{body['operation']['id']}"
    assert body["state"] == "provisioning"
    assert body["power"] == {"wanted": "running", "observed": "unknown", "observed_at": None}
    assert body["dns_names"] == ["web.acme.sim1.mcp.test"]
    assert body["price"] == {"hourly": "0.0273", "monthly": "19.90", "yearly": "199.00", "currency": "USD"}
    assert body["tags"] == {"role": "web"}
    assert len(body["addresses"]) == 1
    assert body["addresses"][0]["primary"] is True
    assert body["operation"]["placement"]["placed"] == 1
    drain()
    after = api.get(f"{PATH}/{body['id']}").json()
    assert after["state"] == "running"
    assert after["power"]["observed"] == "running"
    assert after["operation"]["state"] == "succeeded"
    assert after["operation"]["progress"] == 100
    assert [step["state"] for step in after["operation"]["steps"]] == ["done"] * 4


def test_create_many_answers_all_of_them_and_one_batch(api: APIClient, pod: Pod) -> None:
    response = api.post(PATH, {**WISH, "count": 20})
    body = response.json()
    assert response.status_code == 202
    assert body["count"] == 20
    assert [one["name"] for one in body["results"]] == [f"web-{n}" for n in range(1, 21)]
    assert len({one["addresses"][0]["address"] for one in body["results"]}) == 20
    drain()
    batch = api.get(response["Location"]).json()["results"]
    assert len(batch) == 20
    assert {operation["state"] for operation in batch} == {"succeeded"}
    assert {one["state"] for one in api.get(PATH).json()["results"]} == {"running"}


def test_what_cannot_fit_is_refused_at_once_with_what_is_short(api: APIClient, pod: Pod, account: Account) -> None:
    response = api.post(PATH, {**WISH, "plan": "zone-64g", "count": 3})
    body = response.json()
    assert response.status_code == 409
    assert body["code"] == "placement.capacity_exhausted"
    assert body["placement"]["short"]["memory"] == 2
    assert "operator" not in response.content.decode()
    assert "sim1-h" not in response.content.decode()
    assert not Accelerator.objects.exists()
    assert not Address.objects.exists()
    assert not Operation.objects.exists()


def test_limits_are_named(api: APIClient, pod: Pod, account: Account, operator_api: APIClient) -> None:
    operator_api.patch("/api/v1/operator/accounts/acme", {"limits": {"accelerators": 2}})
    response = api.post(PATH, {**WISH, "count": 3})
    assert response.status_code == 409
    assert response.json()["code"] == "account.limit_exceeded"
    assert "0 of 2 used, 3 asked" in response.json()["detail"]
    assert response.json()["short"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Web!"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"name": 7}, "name"),
        ({"name": None}, "name"),
        ({"name": "x'; DROP TABLE accelerators_accelerator;--"}, "name"),
        ({"name": "$(reboot)"}, "name"),
        ({"name": "we\nb"}, "name"),
        ({"plan": "nope"}, "plan"),
        ({"image": "nope"}, "image"),
        ({"pod": "nope"}, "pod"),
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"count": "2"}, "count"),
        ({"count": True}, "count"),
        ({"count": 10**40}, "count"),
        ({"spread": "rack"}, "spread"),
        ({"group": "../x"}, "group"),
        ({"ssh_keys": ["nope"]}, "ssh_keys"),
        ({"ssh_keys": "nope"}, "ssh_keys"),
        ({"ssh_keys": ["ssh-rsa AAAA"]}, "ssh_keys"),
        ({"ssh_keys": [5]}, "ssh_keys"),
        ({"user_script": "echo hi"}, "user_script"),
        ({"user_script": "#!" + "x" * 70_000}, "user_script"),
        ({"tags": {"a b": "x"}}, "tags"),
        ({"tags": {"a": 5}}, "tags"),
        ({"tags": {"a": "x\ny"}}, "tags"),
        ({"tags": {"a": "x" * 129}}, "tags"),
        ({"tags": [["a", "b"]]}, "tags"),
        ({"tags": {str(n): "" for n in range(60)}}, "tags"),
        ({"metadata": {"<script>": "x"}}, "metadata"),
        ({"protected": "yes"}, "protected"),
        ({"networks": ["private"]}, "networks"),
        ({"nmae": "web"}, "nmae"),
        ({"id": "5"}, "id"),
    ],
)
def test_bad_input_names_the_field_and_makes_nothing(api: APIClient, pod: Pod, change: dict[str, Any], field: str) -> None:
    response = api.post(PATH, {**WISH, **change})
    assert response.status_code == 400, response.content
    body = response.json()
    assert body["errors"], body
    assert body["errors"][0]["field"].split("[")[0].split(".")[0] == field
    assert body["errors"][0]["message"]
    assert not Accelerator.objects.exists()


def test_all_faults_are_told_at_once(api: APIClient, pod: Pod) -> None:
    body = api.post(PATH, {"nmae": "x", "count": "many", "protected": 1}).json()
    assert {error["field"] for error in body["errors"]} == {"nmae", "name", "plan", "image", "count", "protected"}


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "' OR 1=1 --", "${jndi:x}", "{{7*7}}", "日本語", "%s%n", "\\"])
def test_hostile_tag_values_come_back_as_they_went_in(api: APIClient, pod: Pod, value: str) -> None:
    assert api.post(PATH, {**WISH, "tags": {"k": value}, "metadata": {"k": value * 3}}).status_code == 202
    body = api.get(PATH, {"tag.k": value}).json()
    assert [one["tags"] for one in body["results"]] == [{"k": value}]
    assert body["results"][0]["metadata"] == {"k": value * 3}


def test_list_filters(api: APIClient, actor: Actor, pod: Pod) -> None:
    ask_for(actor, "web", count=3, tags={"role": "web", "env": "prod"})
    ask_for(actor, "db", tags={"role": "db", "env": "prod"}, group="data")

    def names(**query: str) -> list[str]:
        return sorted(one["name"] for one in api.get(PATH, query).json()["results"])

    assert names(**{"tag.role": "web"}) == ["web-1", "web-2", "web-3"]
    assert names(**{"tag.role": "db", "tag.env": "prod"}) == ["db"]
    assert names(**{"tag.role": "db", "tag.env": "test"}) == []
    assert names(**{"tag.role": ""}) == ["db", "web-1", "web-2", "web-3"]
    assert names(name="db") == ["db"]
    assert names(name_contains="b-2") == ["web-2"]
    assert names(group="data") == ["db"]
    assert names(state="running") == []
    assert names(state="running,provisioning", plan="zone-256m", image="debian-12", pod="sim1") == [
        "db",
        "web-1",
        "web-2",
        "web-3",
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"stat": "running"}, {"state": "nope"}, {"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"ordering": "host"},
        {"ordering": "account__slug"}, {"cursor": "zzz"}, {"cursor": "e30"}, {"protected": "1"}, {"tag.a b": "x"},
        {"name": "a\x00"},
        {"dry_run": "maybe", "state": "nope"},
    ],
)  # fmt: skip
def test_bad_queries_are_refused(api: APIClient, db: None, query: dict[str, str]) -> None:
    response = api.get(PATH, query)
    assert response.status_code == 400, response.content
    assert response.json()["errors"]


def test_paging_walks_everything_once_both_ways(api: APIClient, actor: Actor, pod: Pod) -> None:
    ask_for(actor, "web", count=23)
    for ordering in ("-created_at", "created_at", "name", "-name", "memory_mib", "-memory_mib"):
        pages, url = [], f"{PATH}?limit=5&ordering={ordering}"
        body: dict[str, Any] = {}
        while url:
            body = api.get(url).json()
            pages.append([one["id"] for one in body["results"]])
            url = body["next"]
        assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
        assert len({one for page in pages for one in page}) == 23
        back, url = [pages[-1]], body["previous"]
        while url:
            body = api.get(url).json()
            back.append([one["id"] for one in body["results"]])
            url = body["previous"]
        assert list(reversed(back)) == pages


def test_paging_is_steady_while_rows_come_and_go(api: APIClient, actor: Actor, pod: Pod) -> None:
    ask_for(actor, "web", count=6)
    first = api.get(f"{PATH}?limit=3&ordering=name").json()
    ask_for(actor, "aaa")
    Accelerator.objects.filter(name="web-2").delete()
    second = api.get(first["next"]).json()
    assert [one["name"] for one in second["results"]] == ["web-4", "web-5", "web-6"]


def test_names_and_ids_both_lead_to_it(api: APIClient, actor: Actor, pod: Pod) -> None:
    row = make_running(actor)
    assert api.get(f"{PATH}/web").json()["id"] == str(row.pk) == api.get(f"{PATH}/{row.pk}").json()["id"]
    for ref in ("nope", "WEB", "web%00", "..%2f", "%27", "web%20"):
        assert api.get(f"{PATH}/{ref}").status_code == 404, ref


def test_deleted_answers_410_with_its_last_form_until_the_name_lives_again(api: APIClient, actor: Actor, pod: Pod) -> None:
    row = make_running(actor, tags={"role": "web"})
    address = Address.objects.get(holder_id=row.pk).ip
    assert api.delete(f"{PATH}/web?now=true").status_code == 202
    drain()
    for ref in (str(row.pk), "web"):
        response = api.get(f"{PATH}/{ref}")
        assert response.status_code == 410
        assert response.json()["last_known"]["addresses"] == [address]
        assert response.json()["last_known"]["tags"] == {"role": "web"}
    for verb in ("start", "stop", "restart", "undelete"):
        assert api.post(f"{PATH}/web/{verb}").status_code == 410
    assert api.delete(f"{PATH}/web").status_code == 410
    assert api.patch(f"{PATH}/web", {"protected": True}).status_code == 410
    fresh = make_running(actor)
    assert api.get(f"{PATH}/web").json()["id"] == str(fresh.pk)
    assert api.get(f"{PATH}/{row.pk}").status_code == 410
    assert client_with(make_key(make_account("stranger"))).get(f"{PATH}/{row.pk}").status_code == 404


def test_verbs(api: APIClient, actor: Actor, pod: Pod, simulated: SimulatedPod) -> None:
    make_running(actor)
    for verb, passing, settled in (
        ("stop", "stopping", "stopped"),
        ("start", "starting", "running"),
        ("restart", "restarting", "running"),
    ):
        response = api.post(f"{PATH}/web/{verb}")
        assert response.status_code == 202
        assert response.json()["state"] == passing
        assert response.json()["operation"]["kind"] == f"accelerator.{verb}"
        assert response["Location"].endswith(response.json()["operation"]["id"])
        drain()
        assert api.get(f"{PATH}/web").json()["state"] == settled
    wrong = api.post(f"{PATH}/web/start")
    assert wrong.status_code == 409
    assert wrong.json()["code"] == "accelerator.wrong_state"
    assert api.post(f"{PATH}/web/start", {"force": True}).status_code == 400


def test_busy_names_the_operation(api: APIClient, actor: Actor, pod: Pod) -> None:
    make_running(actor)
    first = api.post(f"{PATH}/web/restart").json()
    second = api.post(f"{PATH}/web/restart")
    assert second.status_code == 409
    assert second.json()["operation"] == first["operation"]["id"]


def test_trash_and_back(api: APIClient, actor: Actor, pod: Pod) -> None:
    row = make_running(actor)
    body = api.delete(f"{PATH}/web").json()
    assert body["state"] == "deleting"
    assert body["trash_until"]
    drain()
    assert api.get(PATH).json()["results"] == []
    assert [one["name"] for one in api.get(PATH, {"state": "trashed"}).json()["results"]] == ["web"]
    assert api.get(f"{PATH}/web").json()["state"] == "trashed"
    assert api.post(f"{PATH}/web/undelete").status_code == 202
    drain()
    after = api.get(f"{PATH}/web").json()
    assert (after["id"], after["state"], after["trash_until"]) == (str(row.pk), "running", None)


def test_protected_refuses_deletion(api: APIClient, actor: Actor, pod: Pod) -> None:
    make_running(actor, protected=True)
    for query in ("", "?now=true"):
        response = api.delete(f"{PATH}/web{query}")
        assert (response.status_code, response.json()["code"]) == (409, "accelerator.protected")
    assert api.patch(f"{PATH}/web", {"protected": False}).json()["protected"] is False
    assert api.delete(f"{PATH}/web?now=true").status_code == 202


def test_a_failed_create_says_why_and_names_no_host(api: APIClient, actor: Actor, pod: Pod, simulated: SimulatedPod) -> None:
    for host in simulated.hosts():
        host.fail_next("create", GearRefused, times=1)
    api.post(PATH, WISH)
    drain()
    response = api.get(f"{PATH}/web")
    body = response.json()
    assert body["state"] == "failed"
    assert body["failure"]["code"] == "gear.refused"
    assert body["operation"]["error"] == {
        "code": "gear.refused", "message": body["failure"]["message"], "retryable": False,
    }  # fmt: skip
    assert "sim1-h" not in response.content.decode()
    assert not Allocation.objects.exists()


def test_edit(api: APIClient, actor: Actor, pod: Pod) -> None:
    row = make_running(actor, tags={"a": "1"})
    body = api.patch(f"{PATH}/web", {"name": "shop", "tags": {"b": "2"}, "metadata": {"x": "y"}, "protected": True}).json()
    assert (body["name"], body["tags"], body["metadata"], body["protected"]) == ("shop", {"b": "2"}, {"x": "y"}, True)
    assert body["id"] == str(row.pk)
    ask_for(actor, "other")
    taken = api.patch(f"{PATH}/shop", {"name": "other"})
    assert (taken.status_code, taken.json()["code"]) == (409, "accelerator.name_taken")
    assert api.patch(f"{PATH}/shop", {"state": "running"}).status_code == 400
    assert api.patch(f"{PATH}/shop", {"plan": "zone-1g"}).json()["errors"][0]["field"] == "plan"


def test_timeline_tells_the_story_newest_first(api: APIClient, actor: Actor, pod: Pod) -> None:
    make_running(actor)
    api.post(f"{PATH}/web/stop")
    drain()
    events = api.get(f"{PATH}/web/timeline").json()["results"]
    kinds = [event["kind"] for event in reversed(events)]
    assert kinds[0] == "accelerator.requested"
    assert "accelerator.running" in kinds
    assert kinds.index("accelerator.stop.requested") < kinds.index("accelerator.stopped")
    page = api.get(f"{PATH}/web/timeline", {"limit": 2}).json()
    assert [event["id"] for event in page["results"]] == [event["id"] for event in events[:2]]
    assert api.get(page["next"]).json()["results"][0]["id"] == events[2]["id"]
    only = api.get(f"{PATH}/web/timeline", {"kind": "accelerator.stopped"}).json()["results"]
    assert [event["kind"] for event in only] == ["accelerator.stopped"]


def test_a_suspended_account_reads_and_deletes(
    api: APIClient, actor: Actor, pod: Pod, account: Account, operator_api: APIClient
) -> None:
    make_running(actor)
    assert operator_api.patch("/api/v1/operator/accounts/acme", {"state": "suspended"}).status_code == 200
    assert api.get(f"{PATH}/web").status_code == 200
    refused = api.post(PATH, {**WISH, "name": "more"})
    assert (refused.status_code, refused.json()["code"]) == (403, "account.suspended")
    assert api.delete(f"{PATH}/web?now=true").status_code == 202


def test_operation_of_a_list_row_is_its_own(api: APIClient, actor: Actor, pod: Pod) -> None:
    created = ask_for(actor, "web", count=4)
    owners = {str(row.pk): str(op.pk) for row, op in zip(created.accelerators, created.operations, strict=True)}
    for one in api.get(PATH).json()["results"]:
        assert one["operation"]["id"] == owners[one["id"]]
        assert one["operation"]["target"]["id"] == one["id"]
        UUID(one["operation"]["batch"])


def test_govern_needs_an_operator(actor: Actor, account: Account) -> None:
    with pytest.raises(Forbidden):
        govern_account(actor=actor, account=account, state="closed")
