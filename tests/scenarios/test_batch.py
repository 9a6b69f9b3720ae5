"""Twenty at once, and what is refused before anything begins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.caller import Caller, Json, address_of, answers
from tests.leftovers import leftovers
from tests.real_pod import RealPod
from tests.stack import Stack, until

pytestmark = [pytest.mark.lab, pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(300)]

COUNT = 20
WISH: Json = {"name": "web", "plan": "zone-256m", "image": "busybox", "count": COUNT, "tags": {"role": "web"}}


def names_of(rows: list[Json]) -> list[str]:
    return sorted(row["name"] for row in rows)


def test_twenty_run_and_the_same_request_makes_none(real_pod: RealPod, customer: Caller, stack: Stack) -> None:
    key = {"IDEMPOTENCY_KEY": "deploy-1"}
    first = customer.call("post", "/accelerators", WISH, expect=202, **key)
    where = customer.headers["Location"]
    again = customer.call("post", "/accelerators", WISH, expect=202, **key)
    assert (again, customer.headers["Location"]) == (first, where)
    assert customer.headers["Idempotent-Replay"] == "true"
    other = customer.call("post", "/accelerators", {**WISH, "count": 2}, expect=422, **key)
    assert "idempotency" in other["code"]

    def running() -> list[Json]:
        rows: list[Json] = customer.get(f"/accelerators?tag.role=web&state=running&limit={2 * COUNT}")["results"]
        return rows

    until(lambda: len(running()) == COUNT, within_s=90, every_s=0.3, what="twenty running")
    rows = running()
    assert names_of(rows) == names_of(first["results"])
    addresses = [address_of(row) for row in rows]
    assert len(set(addresses)) == COUNT
    with ThreadPoolExecutor(10) as threads:
        assert all(threads.map(answers, addresses))
    batch = customer.get(where.removeprefix("/api/v1"))["results"]
    assert [operation["state"] for operation in batch] == ["succeeded"] * COUNT
    assert len(customer.get(f"/accelerators?limit={3 * COUNT}")["results"]) == COUNT
    assert customer.call("post", "/accelerators", WISH, expect=202, **key) == first
    assert real_pod.disagreements() == []

    for row in rows:
        customer.call("delete", f"/accelerators/{row['id']}?now=true", expect=202)
    until(lambda: not real_pod.unsettled(), within_s=90, what="the deletions")
    assert real_pod.on_hosts() == {}
    assert leftovers(real_pod.lab) == []
    assert real_pod.disagreements() == []


def test_what_only_asks_or_cannot_fit_makes_nothing(real_pod: RealPod, customer: Caller, operator: Caller) -> None:
    told = customer.call("post", "/accelerators?dry_run=true", WISH, expect=200)
    assert told["dry_run"] is True
    assert len(told["steps"]) >= 4
    assert told["price"]["monthly"] == "398.00"
    assert told["placement"]["placed"] == told["placement"]["asked"] == COUNT
    assert next(line for line in told["limits_after"] if line["resource"] == "accelerators")["used"] == COUNT

    huge = {
        "slug": "zone-huge", "name": "Huge", "memory_mib": 4_000_000, "vcpus": "1", "disk_gib": 1, "price_hourly": "1",
        "price_monthly": "1", "price_yearly": "1",
    }  # fmt: skip
    operator.call("post", "/operator/plans", huge, expect=201)
    operator.call("patch", f"/operator/accounts/{real_pod.account.slug}", {"limits": {"memory_mib": None}}, expect=200)
    refused = customer.call("post", "/accelerators", {**WISH, "plan": "zone-huge", "count": 1}, expect=409)
    assert refused["code"] == "placement.capacity_exhausted"
    assert "2 short of memory" in refused["detail"]
    assert refused["placement"]["short"]["memory"] == 2

    apart = customer.call("post", "/accelerators", {**WISH, "count": 3, "spread": "host"}, expect=409)
    assert "room for 2 of 3" in apart["detail"]
    assert "2 already used by the group" in apart["detail"]
    assert apart["placement"]["removed"]["spread"] == 2

    assert customer.get("/accelerators")["results"] == []
    assert customer.get("/operations")["results"] == []
    assert real_pod.on_hosts() == {}
    assert real_pod.disagreements() == []
