"""Plans and drift through the operator's API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accelerators.models import Plan
from accelerators.services.reconcile import reconcile_host
from accelerators.testing.make import make_running
from accounts.actor import Actor
from mcp.events.models import AuditEntry
from mcp.testing.drain import drain
from pods.gear.simulated import SimulatedPod
from pods.models import Host, Pod

PLANS, DRIFT = "/api/v1/operator/plans", "/api/v1/operator/drift"
PLAN = {
    "slug": "zone-384m", "name": "3/8 GiB", "memory_mib": 384, "vcpus": "0.5", "disk_gib": 8, "price_hourly": "0.0400",
    "price_monthly": "29.00", "price_yearly": "290.00", "position": 2,
}  # fmt: skip


def test_sell_a_plan(api: APIClient, operator_api: APIClient, plan: Plan) -> None:
    response = operator_api.post(PLANS, PLAN)
    assert response.status_code == 201, response.content
    sold = api.get("/api/v1/plans/zone-384m").json()
    assert sold["vcpus"] == "0.50"
    assert sold["price"] == {"hourly": "0.0400", "monthly": "29.00", "yearly": "290.00", "currency": "USD"}
    assert set(sold) >= {"slug", "name", "kind", "memory_mib", "vcpus", "disk_gib", "price"}
    assert operator_api.post(PLANS, PLAN).status_code == 409
    off = operator_api.patch(f"{PLANS}/zone-384m", {"active": False, "price_monthly": "31.50"}).json()
    assert (off["active"], off["price"]["monthly"]) == (False, "31.50")
    assert "zone-384m" not in [row["slug"] for row in api.get("/api/v1/plans").json()["results"]]
    assert AuditEntry.objects.get(action="plan.edit").changes["price_monthly"] == ["29.00", "31.50"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"memory_mib": 8}, "memory_mib"),
        ({"vcpus": "0"}, "vcpus"),
        ({"vcpus": "NaN"}, "vcpus"),
        ({"price_monthly": "-1"}, "price_monthly"),
        ({"price_monthly": "1.005"}, "price_monthly"),
        ({"slug": "no spaces"}, "slug"),
        ({"kind": "jail"}, "kind"),
        ({"disk_gib": 1.5}, "disk_gib"),
    ],
)
def test_bad_plans(operator_api: APIClient, change: dict[str, Any], field: str) -> None:
    response = operator_api.post(PLANS, {**PLAN, **change})
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["field"] == field


def test_sizes_of_sold_plans_are_fixed(operator_api: APIClient, plan: Plan) -> None:
    assert operator_api.patch(f"{PLANS}/zone-256m", {"memory_mib": 1}).json()["errors"][0]["field"] == "memory_mib"


@pytest.fixture
def stopped_behind_our_back(actor: Actor, pod: Pod, simulated: SimulatedPod) -> str:
    """A finding about a guest that was stopped on its host."""
    row = make_running(actor)
    assert row.host is not None
    host_id = row.host.pk
    simulated.host(row.host.name).stop_guest(str(row.pk))
    reconcile_host(Host.objects.select_related("pod").get(pk=host_id))
    return str(row.pk)


def finding(api: APIClient) -> dict[str, Any]:
    (row,) = api.get(DRIFT, {"state": "open"}).json()["results"]
    return dict(row)


def test_restore(api: APIClient, operator_api: APIClient, stopped_behind_our_back: str) -> None:
    row = finding(operator_api)
    assert (row["kind"], row["target"], row["pod"]) == ("power", stopped_behind_our_back, "sim1")
    dry = operator_api.post(f"{DRIFT}/{row['id']}/restore?dry_run=true").json()
    assert dry["steps"]
    assert operator_api.get(f"{DRIFT}/{row['id']}").json() == row
    response = operator_api.post(f"{DRIFT}/{row['id']}/restore")
    assert response.status_code == 202, response.content
    assert response["Location"] == f"/api/v1/operator/operations/{response.json()['operation']}"
    drain()
    assert api.get("/api/v1/accelerators/web").json()["power"]["observed"] == "running"
    assert operator_api.post(f"{DRIFT}/{row['id']}/restore").status_code == 409


def test_adopt(api: APIClient, operator_api: APIClient, stopped_behind_our_back: str) -> None:
    row = finding(operator_api)
    response = operator_api.post(f"{DRIFT}/{row['id']}/adopt")
    assert (response.status_code, response.json()["state"]) == (200, "adopted")
    assert api.get("/api/v1/accelerators/web").json()["power"]["wanted"] == "stopped"


def test_ignore_a_foreign_guest(operator_api: APIClient, pod: Pod, simulated: SimulatedPod) -> None:
    simulated.host("sim1-h1").create_foreign("somebody-elses")
    reconcile_host(Host.objects.select_related("pod").get(name="sim1-h1"))
    row = finding(operator_api)
    assert (row["kind"], row["guest_name"], row["target"]) == ("unknown_guest", "somebody-elses", None)
    for verb in ("adopt", "restore"):
        assert operator_api.post(f"{DRIFT}/{row['id']}/{verb}").status_code == 409
    assert operator_api.post(f"{DRIFT}/{row['id']}/ignore").json()["state"] == "ignored"
    assert operator_api.get(DRIFT, {"state": "open"}).json()["results"] == []
    assert "somebody-elses" in simulated.host("sim1-h1").state().guests
