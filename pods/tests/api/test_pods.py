"""Pods, hosts, images, allocations and capacity through the API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from mcp.events.models import AuditEntry
from pods.gear.simulated import SimulatedPod
from pods.models import Host, Image, Network, Pod
from pods.testing import make_image, make_pod

POD = {"slug": "ams1", "cidr": "10.88.0.0/24", "gateway": "10.88.0.1", "location": "Amsterdam", "resolvers": ["10.88.0.1"]}
PODS, HOSTS, IMAGES = "/api/v1/operator/pods", "/api/v1/operator/hosts", "/api/v1/operator/images"


def test_add_and_change_a_pod(operator_api: APIClient) -> None:
    response = operator_api.post(PODS, {**POD, "ssh_key": "-----BEGIN KEY-----\nsecret\n"})
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["networks"] == [
        {
            "slug": "public", "cidr": "10.88.0.0/24", "gateway": "10.88.0.1", "range_first": "10.88.0.2",
            "range_last": "10.88.0.254", "bridge": "br0",
        }
    ]  # fmt: skip
    assert "secret" not in response.content.decode()
    assert "secret" not in Pod.objects.get().sealed_ssh_key
    assert operator_api.get(response["Location"]).json() == body
    changed = operator_api.patch(
        f"{PODS}/ams1", {"cpu_overcommit": 4, "state": "draining"}, HTTP_IF_MATCH=response.get("ETag", "*")
    )
    assert (changed.json()["cpu_overcommit"], changed.json()["state"]) == (4.0, "draining")
    assert AuditEntry.objects.get(action="pod.edit").changes["state"] == ["open", "draining"]
    assert operator_api.post(PODS, POD).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "A"}, "slug"),
        ({"cidr": "10.0.0.0/99"}, "cidr"),
        ({"cidr": "2001:db8::/64"}, "cidr"),
        ({"gateway": "10.99.0.1"}, "gateway"),
        ({"gateway": "x"}, "gateway"),
        ({"range_first": "10.88.0.1"}, "range_first"),
        ({"range_first": "10.99.0.1"}, "range_first"),
        ({"resolvers": ["x"]}, "resolvers"),
        ({"cpu_overcommit": 0}, "cpu_overcommit"),
        ({"reserve_memory_mib": -1}, "reserve_memory_mib"),
        ({"dns": "x"}, "dns"),
    ],
)
def test_bad_pods(operator_api: APIClient, change: dict[str, Any], field: str) -> None:
    response = operator_api.post(PODS, {**POD, **change})
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["field"].partition("[")[0] == field
    assert not Pod.objects.exists()


def test_a_dry_pod_is_not_added(operator_api: APIClient) -> None:
    assert operator_api.post(f"{PODS}?dry_run=true", POD).json()["resource"]["slug"] == "ams1"
    assert not Pod.objects.exists()
    assert not Network.objects.exists()


def test_customers_see_pods_without_what_operators_decide(api: APIClient, pod: Pod) -> None:
    make_pod("closed1", hosts=0)
    Pod.objects.filter(slug="closed1").update(state="closed")
    rows = api.get("/api/v1/pods").json()["results"]
    assert [(row["slug"], row["kinds"]) for row in rows] == [("sim1", ["zone"])]
    assert set(rows[0]) == {"id", "slug", "name", "location", "state", "kinds"}
    assert api.get("/api/v1/pods/sim1").json() == rows[0] == api.get(f"/api/v1/pods/{pod.pk}").json()
    assert api.get("/api/v1/pods/closed1").status_code == 404


@pytest.fixture
def machine(pod: Pod) -> dict[str, Any]:
    """A machine that answers and is not enrolled yet."""
    SimulatedPod.named("sim1").add_host("extra", cpus=4, memory_mib=8192, disk_gib=100)
    return {"address": "extra", "pod": "sim1", "name": "h9", "driver": "simulated", "options": {"pod": "sim1"}}


def test_enrol_a_host(operator_api: APIClient, machine: dict[str, Any]) -> None:
    looked = operator_api.post(f"{HOSTS}?dry_run=true", machine).json()
    assert looked["resource"]["facts"]["cpus"] == 4
    assert looked["steps"]
    assert not Host.objects.filter(name="h9").exists()
    response = operator_api.post(HOSTS, machine)
    assert response.status_code == 201, response.content
    body = response.json()
    assert (body["state"], body["cpu_m"]["cap"], body["memory_mib"]) == ("online", 32_000, {"cap": 7680, "used": 0, "free": 7680})
    assert operator_api.get(f"{HOSTS}/h9").json()["id"] == body["id"]
    assert operator_api.post(HOSTS, {**machine, "name": "h10"}).status_code == 409


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"pod": "nope"}, 400, "pod"),
        ({"driver": "vmware"}, 400, "driver"),
        ({"port": 0}, 400, "port"),
        ({"port": "22"}, 400, "port"),
        ({"name": "-x"}, 400, "name"),
        ({"address": ""}, 400, "address"),
        ({"address": "nowhere"}, 503, ""),
    ],
)
def test_bad_hosts(operator_api: APIClient, machine: dict[str, Any], change: dict[str, Any], status: int, field: str) -> None:
    response = operator_api.post(HOSTS, {**machine, **change})
    assert response.status_code == status, response.content
    if field:
        assert response.json()["errors"][0]["field"] == field
    assert Host.objects.count() == 2


def test_duties(operator_api: APIClient, pod: Pod, api: APIClient) -> None:
    path = f"{HOSTS}/sim1-h1"
    drained = operator_api.post(f"{path}/drain", {"reason": "new disks"}).json()
    assert (drained["state"], drained["duty_reason"]) == ("draining", "new disks")
    assert operator_api.post(f"{path}/resume").json()["state"] == "online"
    assert operator_api.post(f"{path}/retire").status_code == 409
    assert operator_api.post(f"{path}/maintenance?dry_run=true").json()["resource"]["state"] == "maintenance"
    assert operator_api.get(path).json()["state"] == "online"
    assert operator_api.post(f"{path}/maintenance").json()["state"] == "maintenance"
    assert operator_api.post(f"{path}/retire").json()["state"] == "retired"
    assert operator_api.post(f"{path}/resume").status_code == 409
    assert operator_api.post(f"{path}/drain", {"why": "x"}).status_code == 400
    assert operator_api.get(HOSTS, {"duty": "retired"}).json()["results"][0]["name"] == "sim1-h1"


def test_a_host_with_guests_is_not_retired(api: APIClient, operator_api: APIClient, pod: Pod) -> None:
    api.post("/api/v1/accelerators", {"name": "web", "plan": "zone-256m", "image": "debian-12", "count": 2, "spread": "host"})
    operator_api.post(f"{HOSTS}/sim1-h1/maintenance")
    response = operator_api.post(f"{HOSTS}/sim1-h1/retire")
    assert (response.status_code, response.json()["code"]) == (409, "host.busy")


def test_probe_again(operator_api: APIClient, pod: Pod, simulated: SimulatedPod) -> None:
    with simulated.store.change("sim1-h1") as state:
        state.memory_mib = 131_072
    path = f"{HOSTS}/sim1-h1/probe"
    assert operator_api.post(f"{path}?dry_run=true").json()["resource"]["memory_mib"]["cap"] == 130_560
    assert operator_api.get(f"{HOSTS}/sim1-h1").json()["memory_mib"]["cap"] == 65_024
    assert operator_api.post(path).json()["memory_mib"]["cap"] == 130_560
    simulated.host("sim1-h1").go_down()
    down = operator_api.post(path)
    assert (down.status_code, down.json()["code"]) == (503, "gear.unreachable")
    assert "Retry-After" in down


def test_edit_a_host(operator_api: APIClient, pod: Pod) -> None:
    path = f"{HOSTS}/sim1-h1"
    changed = operator_api.patch(path, {"traits": ["ssd"], "port": 2222}).json()
    assert (changed["traits"], changed["port"]) == (["ssd"], 2222)
    assert operator_api.patch(path, {"name": "sim1-h2"}).status_code == 400
    assert operator_api.patch(path, {"name": "a b"}).json()["errors"][0]["field"] == "name"
    assert operator_api.patch(path, {"duty": "retired"}).json()["errors"][0]["field"] == "duty"


def test_a_name_in_two_pods_needs_the_id(operator_api: APIClient, pod: Pod) -> None:
    make_pod("sim2")
    Host.objects.filter(name="sim2-h1").update(name="sim1-h1")
    response = operator_api.get(f"{HOSTS}/sim1-h1")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "ambiguous")
    SimulatedPod.forget("sim2")


def test_images_by_slug_version_or_id(api: APIClient, operator_api: APIClient, image: Image) -> None:
    newer = make_image(version="2")
    assert api.get("/api/v1/images/debian-12").json()["version"] == "2"
    assert (
        api.get("/api/v1/images/debian-12@1").json()["id"] == str(image.pk) == api.get(f"/api/v1/images/{image.pk}").json()["id"]
    )
    assert set(api.get("/api/v1/images/debian-12").json()) >= {"slug", "version", "kind", "os", "min_memory_mib", "min_disk_gib"}
    assert operator_api.patch(f"{IMAGES}/debian-12@2", {"state": "disabled"}).json()["state"] == "disabled"
    assert [row["version"] for row in api.get("/api/v1/images").json()["results"]] == ["1"]
    assert api.get(f"/api/v1/images/{newer.pk}").status_code == 404
    assert len(operator_api.get(IMAGES).json()["results"]) == 2
    assert operator_api.patch(f"{IMAGES}/debian-12@2", {"sha256": "x"}).status_code == 400
    for ref in ("nope", "debian-12@9", "@", "a@b@c"):
        assert api.get(f"/api/v1/images/{ref}").status_code == 404


def test_capacity_and_allocations(api: APIClient, operator_api: APIClient, pod: Pod) -> None:
    api.post("/api/v1/accelerators", {"name": "web", "plan": "zone-256m", "image": "debian-12", "count": 3})
    (line,) = operator_api.get("/api/v1/operator/capacity").json()["results"]
    assert (line["pod"], line["hosts"], line["guests"]) == ("sim1", 2, 3)
    assert line["memory_mib"] == {"cap": 130_048, "used": 768, "free": 130_048 - 768}
    operator_api.post(f"{HOSTS}/sim1-h1/drain")
    (after,) = operator_api.get("/api/v1/operator/capacity").json()["results"]
    assert (after["taking_guests"], after["memory_mib"]["cap"]) == (1, 130_048)
    assert after["memory_mib"]["free"] < 65_024
    rows = operator_api.get("/api/v1/operator/allocations").json()["results"]
    assert {row["holder"] for row in rows} == {one["id"] for one in api.get("/api/v1/accelerators").json()["results"]}
    assert operator_api.get("/api/v1/operator/allocations", {"pod": "nope"}).json()["results"] == []
