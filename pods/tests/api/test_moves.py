"""Evacuations, rebalances and maintenance windows through the operator's API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accelerators.testing.make import ask_for
from accelerators.tests.api.test_queries import cost
from accounts.actor import Actor, system
from mcp.events.models import Event
from mcp.testing.drain import drain
from pods.models import Host, MaintenanceWindow, Move, MoveRun, Pod
from pods.services.advance_moves import advance_moves
from pods.services.evacuate import evacuate
from pods.services.steer_moves import abort_moves

OPERATOR = "/api/v1/operator"
RUNS, WINDOWS = f"{OPERATOR}/evacuations", f"{OPERATOR}/maintenance"


@pytest.fixture
def host(actor: Actor, pod: Pod) -> Host:
    """h1 with three accelerators on it, h2 empty."""
    h1, h2 = Host.objects.filter(pod=pod).order_by("name")
    Host.objects.filter(pk=h2.pk).update(duty="maintenance")
    ask_for(actor, "web", count=3)
    drain()
    Host.objects.filter(pk=h2.pk).update(duty="active")
    return h1


def finish(run_id: str) -> MoveRun:
    for _ in range(20):
        advance_moves()
        drain()
    run = MoveRun.objects.get(pk=run_id)
    assert not run.live
    return run


def test_a_dry_run_shows_the_plan_that_is_then_carried_out(operator_api: APIClient, host: Host) -> None:
    path = f"{OPERATOR}/hosts/{host.name}/evacuate"
    dry = operator_api.post(f"{path}?dry_run=true", {"parallel": 3})
    assert dry.status_code == 200, dry.content
    plan = dry.json()["resource"]
    assert not MoveRun.objects.exists()
    assert Host.objects.get(pk=host.pk).duty == "active"
    response = operator_api.post(path, {"parallel": 3, "reason": "new fans"})
    assert response.status_code == 202
    body = response.json()
    same = ("estimated_s", "counts", "picture", "sentence", "purpose", "host", "pod")
    assert {key: plan[key] for key in same} == {key: body[key] for key in same}
    assert [move["name"] for move in plan["moves"]] == [move["name"] for move in body["moves"]]
    assert body["sentence"].startswith("0 of 3 moved; at most")
    assert body["picture"][0]["host"] == host.name
    assert operator_api.get(response["Location"]).json() == body
    finish(body["id"])
    done = operator_api.get(response["Location"]).json()
    assert (done["state"], done["counts"]["moved"], done["sentence"]) == ("finished", 3, "3 of 3 moved.")
    assert {(move["source"], move["target"], move["state"]) for move in done["moves"]} == {("sim1-h1", "sim1-h2", "moved")}
    assert operator_api.get(f"{OPERATOR}/hosts/{host.name}").json()["duty"] == "draining"


def test_steering_a_run(operator_api: APIClient, host: Host) -> None:
    run = operator_api.post(f"{OPERATOR}/hosts/{host.pk}/evacuate").json()
    assert operator_api.post(f"{RUNS}/{run['id']}/pause").json()["state"] == "paused"
    assert advance_moves() == 0
    assert operator_api.post(f"{RUNS}/{run['id']}/resume").json()["state"] == "running"
    assert operator_api.post(f"{RUNS}/{run['id']}/abort?dry_run=true").json()["resource"]["state"] == "aborted"
    aborted = operator_api.post(f"{RUNS}/{run['id']}/abort").json()
    assert (aborted["state"], aborted["counts"]["dropped"]) == ("aborted", 3)
    refused = operator_api.post(f"{RUNS}/{run['id']}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "state.conflict")


def test_a_second_evacuation_and_bad_fields_are_refused(operator_api: APIClient, host: Host) -> None:
    path = f"{OPERATOR}/hosts/{host.name}/evacuate"
    for body, field in (({"parallel": 0}, "parallel"), ({"parallel": "2"}, "parallel"), ({"paralel": 2}, "paralel")):
        response = operator_api.post(path, body)
        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == [field]
    operator_api.post(path)
    assert operator_api.post(path).status_code == 409
    assert operator_api.post(f"{OPERATOR}/hosts/nowhere/evacuate").status_code == 404
    for ref in ("x", str(uuid4())):
        assert operator_api.get(f"{RUNS}/{ref}").status_code == 404
        assert operator_api.get(f"{WINDOWS}/{ref}").status_code == 404


def test_the_same_key_evacuates_once(operator_api: APIClient, host: Host) -> None:
    path = f"{OPERATOR}/hosts/{host.name}/evacuate"
    first = operator_api.post(path, HTTP_IDEMPOTENCY_KEY="k")
    again = operator_api.post(path, HTTP_IDEMPOTENCY_KEY="k")
    assert (again.status_code, again.json()) == (202, first.json())
    assert MoveRun.objects.count() == 1


def test_rebalance(operator_api: APIClient, host: Host) -> None:
    path = f"{OPERATOR}/pods/sim1/rebalance"
    nothing = operator_api.post(f"{path}?dry_run=true", {"minimum_gain": 0.9}).json()["resource"]
    assert (nothing["counts"]["planned"], nothing["sentence"]) == (0, "There is nothing to move.")
    body = operator_api.post(path, {"minimum_gain": 0.001}).json()
    assert (body["purpose"], body["host"], body["counts"]["planned"]) == ("rebalance", None, 1)
    assert body["moves"][0]["gain"] >= 0.001
    assert finish(body["id"]).state == "finished"
    assert operator_api.post(path, {"minimum_gain": 0}).json()["errors"][0]["field"] == "minimum_gain"


def test_lists_are_filtered_and_cost_the_same_whatever_their_length(operator_api: APIClient, host: Host) -> None:
    for _ in range(6):
        run = evacuate(actor=system(), host=host)
        abort_moves(actor=system(), run=run)
    now = timezone.now()
    MaintenanceWindow.objects.bulk_create(
        MaintenanceWindow(pod=host.pod, starts_at=now, ends_at=now + timedelta(hours=1), reason="x", actor="x", state="closed")
        for _ in range(6)
    )
    operator_api.get(RUNS)
    for path, queries in ((RUNS, 3), (WINDOWS, 2)):
        for limit in (2, 6):
            counted, sql = cost(lambda limit=limit, path=path: operator_api.get(f"{path}?limit={limit}"))
            assert counted == queries, "\n".join(sql)
    found = operator_api.get(f"{RUNS}?state=aborted&host={host.name}&purpose=evacuation&limit=2").json()
    assert (len(found["results"]), found["next"] is not None, found["results"][0]["moves"]) == (2, True, [])
    assert operator_api.get(f"{RUNS}?state=running").json()["results"] == []
    one, sql = cost(lambda: operator_api.get(f"{RUNS}/{run.pk}"))
    assert one == 4, "\n".join(sql)


def test_an_evacuation_costs_a_fixed_number_of_queries(operator_api: APIClient, host: Host, actor: Actor) -> None:
    path = f"{OPERATOR}/hosts/{host.name}/evacuate?dry_run=true"
    operator_api.post(path)
    three, _ = cost(lambda: operator_api.post(path))
    Host.objects.exclude(pk=host.pk).update(duty="maintenance")
    ask_for(actor, "more", count=6)
    drain()
    Host.objects.exclude(pk=host.pk).update(duty="active")
    nine, sql = cost(lambda: operator_api.post(path))
    assert nine == three, "\n".join(sql)


def window(**changes: Any) -> dict[str, Any]:
    now = timezone.now()
    times = {"starts_at": (now + timedelta(hours=1)).isoformat(), "ends_at": (now + timedelta(hours=2)).isoformat()}
    return {**times, "host": "sim1-h1", "reason": "New fans.", **changes}


def test_a_window_is_planned_announced_and_called_off(operator_api: APIClient, api: APIClient, host: Host) -> None:
    dry = operator_api.post(f"{WINDOWS}?dry_run=true", window())
    assert (dry.status_code, MaintenanceWindow.objects.count()) == (200, 0)
    response = operator_api.post(WINDOWS, window())
    assert response.status_code == 201, response.content
    body = response.json()
    assert (body["host"], body["pod"], body["duty"], body["state"]) == ("sim1-h1", "sim1", "maintenance", "planned")
    assert operator_api.get(response["Location"]).json() == body
    timeline = api.get("/api/v1/accelerators/web-1/timeline?kind=maintenance.planned").json()["results"]
    assert "New fans." in timeline[0]["message"]
    assert "sim1-h1" not in str(timeline)
    assert operator_api.post(WINDOWS, window(host="sim1-h1")).status_code == 409
    cancelled = operator_api.post(f"{response['Location']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert Event.objects.filter(kind="maintenance.cancelled").count() == 3
    pod_wide = window(pod="sim1", duty="draining")
    del pod_wide["host"]
    assert operator_api.post(WINDOWS, pod_wide).json()["host"] is None
    assert len(operator_api.get(f"{WINDOWS}?state=planned,open&pod=sim1").json()["results"]) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pod": "sim1"}, "host"), ({"host": ""}, "host"), ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "soon"}, "starts_at"), ({"duty": "retired"}, "duty"), ({"reason": ""}, "reason"),
    ],
)  # fmt: skip
def test_each_bad_field_of_a_window_is_named(operator_api: APIClient, host: Host, changes: dict[str, Any], field: str) -> None:
    response = operator_api.post(WINDOWS, window(**changes))
    assert response.status_code == 400, response.content
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_customers_have_no_way_in(api: APIClient, host: Host) -> None:
    for path in (f"{OPERATOR}/hosts/sim1-h1/evacuate", f"{OPERATOR}/pods/sim1/rebalance", WINDOWS):
        assert api.post(path).status_code == 403
    assert api.get(RUNS).status_code == 403
    assert not Move.objects.exists()
