"""Operators say through the API when hosts lend, and in which time zone that is meant."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accelerators.models import Plan
from mcp.events.models import AuditEntry
from pods.models import Host, Pod

HOSTS, PODS, PLANS = "/api/v1/operator/hosts", "/api/v1/operator/pods", "/api/v1/operator/plans"


def test_a_host_lends_at_night(operator_api: APIClient, pod: Pod) -> None:
    row = operator_api.get(f"{HOSTS}/sim1-h1").json()
    assert (row["spot"], row["spot_windows"], row["spot_cpu_m"], row["spot_memory_mib"]) == ("never", [], 0, 0)
    wanted = {"spot": "windows", "spot_windows": ["mon-fri 19:00-07:00", "sat,sun 00:00-24:00"]}
    answer = operator_api.patch(f"{HOSTS}/sim1-h1", wanted)
    assert answer.status_code == 200, answer.content
    assert wanted.items() <= answer.json().items()
    host = Host.objects.get(name="sim1-h1")
    assert (host.spot, host.spot_windows) == ("windows", wanted["spot_windows"])
    assert AuditEntry.objects.get(action="host.edit").changes["spot"] == ["never", "windows"]
    assert operator_api.patch(f"{HOSTS}/sim1-h1", {"spot": "always"}).json()["spot_windows"] == wanted["spot_windows"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"spot": "windows"}, "spot_windows", "at least one window"),
        ({"spot": "windows", "spot_windows": []}, "spot_windows", "at least one window"),
        ({"spot": "sometimes"}, "spot", "not a valid choice"),
        ({"spot_windows": ["at night"]}, "spot_windows", "is no window"),
        ({"spot_windows": ["mon 07:00-07:00"]}, "spot_windows", "no length"),
        ({"spot_windows": ["mon-frx 19:00-07:00"]}, "spot_windows", "is no day"),
        ({"spot_windows": ["mon 25:00-26:00"]}, "spot_windows", "no time of day"),
        ({"spot_windows": ["mon 19:00-07:00"] * 15}, "spot_windows", "14"),
        ({"spot_windows": "mon 19:00-07:00"}, "spot_windows", "list"),
    ],
)
def test_bad_schedules(operator_api: APIClient, pod: Pod, change: dict[str, Any], field: str, words: str) -> None:
    answer = operator_api.patch(f"{HOSTS}/sim1-h1", change)
    assert answer.status_code == 400, answer.content
    error = answer.json()["errors"][0]
    assert error["field"].startswith(field)
    assert words in error["message"]
    assert Host.objects.get(name="sim1-h1").spot == "never"


def test_the_pods_time_zone(operator_api: APIClient, pod: Pod) -> None:
    assert operator_api.get(f"{PODS}/sim1").json()["time_zone"] == "UTC"
    assert operator_api.patch(f"{PODS}/sim1", {"time_zone": "Europe/Amsterdam"}).json()["time_zone"] == "Europe/Amsterdam"
    for name in ("Mars/Olympus", "../../etc/passwd", "/etc/passwd"):
        answer = operator_api.patch(f"{PODS}/sim1", {"time_zone": name})
        assert answer.status_code == 400, name
        assert answer.json()["errors"][0]["field"] == "time_zone"


def test_preemptible_plans(operator_api: APIClient, api: APIClient, plan: Plan) -> None:
    changed = operator_api.patch(f"{PLANS}/zone-256m", {"preemptible": True, "comes_back": True}).json()
    assert (changed["preemptible"], changed["comes_back"]) == (True, True)
    assert api.get("/api/v1/plans/zone-256m").json()["preemptible"] is True
    sold = {
        "slug": "spot-x", "name": "X", "memory_mib": 384, "vcpus": "0.5", "disk_gib": 8, "price_hourly": "0.01",
        "price_monthly": "9.00", "price_yearly": "90.00", "preemptible": True,
    }  # fmt: skip
    answer = operator_api.post(PLANS, sold)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["preemptible"], answer.json()["comes_back"]) == (True, False)
    assert operator_api.patch(f"{PLANS}/spot-x", {"preemptible": "perhaps"}).json()["errors"][0]["field"] == "preemptible"


@pytest.mark.django_db
def test_two_preemptible_plans_to_begin_with() -> None:
    for slug, firm in (("spot-1g", "zone-1g"), ("spot-4g", "zone-4g")):
        spot, zone = Plan.objects.get(slug=slug), Plan.objects.get(slug=firm)
        assert (spot.preemptible, spot.comes_back, zone.preemptible) == (True, True, False)
        assert spot.need == zone.need
        assert spot.price_monthly == zone.price_monthly * 2 / 5
        assert list(Plan.objects.all())[-1].preemptible, "after the firm ones"


def test_customers_see_no_schedules(api: APIClient, pod: Pod) -> None:
    assert api.get(f"{HOSTS}/sim1-h1").status_code == 403
    assert "time_zone" not in api.get("/api/v1/pods/sim1").json()
