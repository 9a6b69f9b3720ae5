"""`/operator/whatif`, and that every way in gives the same answer."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from accelerators.services.whatif import ask_what_if
from accelerators.testing.make import ask_for
from accelerators.tests.api.test_queries import cost
from accelerators.web.whatif import WhatIfForm
from accounts.actor import Actor, system
from accounts.models import User
from mcp.testing.web import text_of
from pods.models import Host, Pod
from pods.services.sample_capacity import sample_capacity
from pods.services.whatif_question import Question
from pods.testing import add_simulated_host

PATH = "/api/v1/operator/whatif"
# The question in the three ways: parameters, options, and the service's own words.
QUESTIONS: list[tuple[str, list[str], dict[str, Any]]] = [
    ("", [], {}),
    ("lose_pod=sim1", ["--lose-pod", "sim1"], {"lose_pod": ["sim1"]}),
    ("lose_host=sim1-h1", ["--lose-host", "sim1-h1"], {"lose_host": ["sim1-h1"]}),
    ("drain=sim1-h1,sim1-h2", ["--drain", "sim1-h1", "--drain", "sim1-h2"], {"drain": ["sim1-h1", "sim1-h2"]}),
    (
        "add_hosts=40&like=sim1-h1&plan=zone-256m&count=500",
        ["--add-hosts", "40", "--like", "sim1-h1", "--plan", "zone-256m", "--count", "500"],
        {"add_hosts": 40, "like": "sim1-h1", "plan": "zone-256m", "count": 500},
    ),
    (
        "lose_host=sim1-h1&drain=sim1-h2&add_hosts=1&like=sim1-h2&plan=zone-256m&count=3&pod=sim1&headroom=sim1",
        ["--lose-host", "sim1-h1", "--drain", "sim1-h2", "--add-hosts", "1", "--like", "sim1-h2", "--plan", "zone-256m",
         "--count", "3", "--pod", "sim1", "--headroom", "sim1"],
        {"lose_host": ["sim1-h1"], "drain": ["sim1-h2"], "add_hosts": 1, "like": "sim1-h2", "plan": "zone-256m", "count": 3,
         "pod": "sim1", "headroom": ["sim1"]},
    ),
]  # fmt: skip


@pytest.fixture
def guests(actor: Actor, pod: Pod) -> None:
    """Some, on both hosts, two of them kept apart."""
    ask_for(actor, "web", count=12)
    ask_for(actor, "db", count=2, spread="host")


@pytest.mark.parametrize(("query", "options", "words"), QUESTIONS, ids=[query or "nothing" for query, _, _ in QUESTIONS])
def test_all_ways_in_answer_the_same(
    operator_api: APIClient, guests: None, client: Client, query: str, options: list[str], words: dict[str, Any]
) -> None:
    sample_capacity()
    by_api = operator_api.get(f"{PATH}?{query}")
    assert by_api.status_code == 200, by_api.content
    out = StringIO()
    call_command("whatif", *options, "--json", stdout=out)
    by_service = ask_what_if(actor=system("test"), question=Question(**words))
    assert by_api.json() == json.loads(out.getvalue()) == json.loads(json.dumps(by_service))
    client.force_login(User.objects.create_user("operator", is_staff=True))
    page = client.get(f"/admin/whatif/?{query}")
    assert page.status_code == 200, text_of(page)
    context: Any = page.context
    assert context["answer"] == by_service
    assert by_service["sentence"] in text_of(page)


def test_the_form_asks_for_what_the_parameters_ask_for() -> None:
    fields = set(Question.__dataclass_fields__)
    assert set(WhatIfForm.base_fields) == fields


def test_a_lost_host_in_the_answer(operator_api: APIClient, guests: None) -> None:
    body = operator_api.get(f"{PATH}?lose_host=sim1-h1").json()
    there = Host.objects.get(name="sim1-h1").guests
    assert there > 0
    assert body["lost"]["guests"] == there
    assert (body["fits"], body["lost"]["reasons"]) == (False, {"spread": 1}), "the two of the group cannot both be on sim1-h2"
    [one] = body["lost"]["left_over"]
    assert one["guest"]["name"].startswith("db-")
    assert (one["guest"]["account"], one["host"], one["reason"]) == ("acme", "sim1-h1", "spread")
    assert body["headroom"][0] == {"pod": "sim1", "hosts": 1, "absorbed": 0, "not_absorbed": body["headroom"][0]["not_absorbed"]}


def test_for_operators_only(api: APIClient, pod: Pod) -> None:
    assert api.get(PATH).status_code == 403
    assert APIClient().get(PATH).status_code == 401


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("lose_host=nobody", ["lose_host"]),
        ("lose_pod=mars", ["lose_pod"]),
        ("plan=huge&count=1", ["plan"]),
        ("plan=zone-256m", ["count"]),
        ("plan=zone-256m&count=many", ["count"]),
        ("plan=zone-256m&count=-4", ["count"]),
        ("plan=zone-256m&count=٣", ["count"]),
        ("add_hosts=1e3&like=sim1-h1", ["add_hosts"]),
        ("add_hosts=99999999999", ["add_hosts"]),
        ("add_hosts=5", ["like"]),
        ("loose_pod=sim1", ["loose_pod"]),
        ("drain=nobody&lose_pod=mars&plan=huge", ["drain", "lose_pod", "count", "plan"]),
        ("lose_host=%00", ["lose_host"]),
        ("lose_host='; DROP TABLE pods_host; --", ["lose_host"]),
    ],
)
def test_each_fault_names_its_field_and_is_a_sentence(operator_api: APIClient, pod: Pod, query: str, fields: list[str]) -> None:
    answer = operator_api.get(f"{PATH}?{query}")
    assert answer.status_code == 400, answer.content
    body = answer.json()
    assert body["code"] == "input.invalid"
    assert [error["field"] for error in body["errors"]] == fields
    assert all(len(error["message"]) > 10 for error in body["errors"])


def test_lists_are_given_with_commas_or_repeated(operator_api: APIClient, guests: None) -> None:
    commas = operator_api.get(f"{PATH}?drain=sim1-h1, sim1-h2").json()
    repeated = operator_api.get(f"{PATH}?drain=sim1-h1&drain=sim1-h2").json()
    assert commas == repeated
    assert commas["drained"]["reasons"] == {"state": commas["drained"]["guests"]}


def test_an_answer_that_is_still_the_same_is_not_sent_again(operator_api: APIClient, guests: None, actor: Actor) -> None:
    first = operator_api.get(f"{PATH}?lose_host=sim1-h1")
    again = operator_api.get(f"{PATH}?lose_host=sim1-h1", HTTP_IF_NONE_MATCH=first["ETag"])
    assert again.status_code == 304
    ask_for(actor, "late")
    assert operator_api.get(f"{PATH}?lose_host=sim1-h1", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


@pytest.mark.parametrize(
    ("query", "queries"),
    [
        # key; plans; pods by slug; pods, hosts; growth; sums; pods' ids; guests, members of groups; weights; names
        ("", 12),
        # and the hosts named
        ("lose_host=sim1-h1", 13),
        ("add_hosts=4&like=sim1-h1&plan=zone-256m&count=50", 12),
        # no pod is left to tell N+1 of, so no sums
        ("lose_pod=sim1", 11),
    ],
)
def test_queries_do_not_grow(operator_api: APIClient, guests: None, actor: Actor, pod: Pod, query: str, queries: int) -> None:
    operator_api.get(PATH)
    few, sql = cost(lambda: operator_api.get(f"{PATH}?{query}"))
    for number in range(3, 9):
        add_simulated_host(pod, f"sim1-h{number}", memory_mib=1024)
    ask_for(actor, "more", count=40)
    many, more_sql = cost(lambda: operator_api.get(f"{PATH}?{query}"))
    assert few == queries, "\n".join(sql)
    assert many == queries, "\n".join(more_sql)


def test_capacity_tells_the_runway(operator_api: APIClient, guests: None) -> None:
    sample_capacity()
    [line] = operator_api.get("/api/v1/operator/capacity").json()["results"]
    assert line["runway"]["sentence"].startswith("Not enough history: 1 samples")
    assert (line["runway"]["days"], line["runway"]["enough_history"], line["runway"]["per_day"]) == (None, False, None)
