"""Two accounts ask for the last room, or the last address, at the same moment: one has it, the other is told why not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from accelerators.models import Accelerator, Plan
from accelerators.testing.world import make_world, unequal_sums
from accounts.models import Account
from accounts.testing import client_with, make_account, make_key
from mcp.operations.models import Operation
from pods.models import Address, Allocation, Host
from pods.states import AddressState
from tests.caller import API, Json

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

EACH = 4  # requests of each account, all at once
Answer = tuple[str, int, Json]


def race(accounts: list[Account], wish: Json) -> list[Answer]:
    """Everybody asks at the same moment; whose answer it is, its status and its body."""
    start = threading.Barrier(len(accounts) * EACH, timeout=30)
    keys = [(account, number, make_key(account)) for account in accounts for number in range(EACH)]

    def ask(account: Account, number: int, key: str) -> Answer:
        try:
            client = client_with(key)
            start.wait()
            response: Any = client.post(f"{API}/accelerators", {**wish, "name": f"web-{number}"}, format="json")
            return account.slug, response.status_code, response.json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(keys)) as threads:
        return list(threads.map(lambda entry: ask(*entry), keys))


def the_one_winner(answers: list[Answer], code: str) -> tuple[str, Json]:
    """Account and accelerator of the only one who won; all others were refused with that code."""
    won = [(slug, body) for slug, status, body in answers if status == 202]
    assert len(won) == 1, [(slug, status, body.get("detail")) for slug, status, body in answers]
    refusals = [(status, body["code"]) for _, status, body in answers if status != 202]
    assert refusals == [(409, code)] * (len(answers) - 1)
    return won[0]


def only_the_winner_holds_anything(slug: str, body: Json) -> None:
    (row,) = Accelerator.objects.select_related("account")
    assert (row.account.slug, str(row.pk)) == (slug, body["id"])
    assert [each.holder_id for each in Allocation.objects.all()] == [row.pk]
    held = Address.objects.filter(state=AddressState.ASSIGNED)
    assert [(each.holder_id, each.account_id) for each in held] == [(row.pk, row.account_id)]
    assert [each.target_id for each in Operation.objects.all()] == [row.pk]
    assert unequal_sums() == []


@pytest.mark.parametrize("attempt", range(3))
def test_the_last_room_is_had_by_one(attempt: int) -> None:
    make_world(hosts=1)
    host = Host.objects.get()
    prices = {"price_hourly": Decimal(1), "price_monthly": Decimal(1), "price_yearly": Decimal(1)}
    size = {"memory_mib": host.cap_memory_mib, "vcpus": Decimal(1), "disk_gib": 1}
    Plan.objects.create(slug="zone-whole", name="All of it", **size, **prices)
    answers = race([make_account("one"), make_account("two")], {"plan": "zone-whole", "image": "busybox"})
    slug, body = the_one_winner(answers, "placement.capacity_exhausted")
    only_the_winner_holds_anything(slug, body)
    details = {answer["detail"] for _, status, answer in answers if status != 202}
    assert all("1 short of memory" in detail for detail in details), details
    host.refresh_from_db()
    assert host.used_memory_mib == host.cap_memory_mib


@pytest.mark.parametrize("attempt", range(3))
def test_the_last_address_is_had_by_one(attempt: int) -> None:
    make_world(hosts=2, cidr="10.99.0.0/30")  # the gateway's, and one more
    answers = race([make_account("one"), make_account("two")], {"plan": "zone-256m", "image": "busybox"})
    slug, body = the_one_winner(answers, "network.addresses_exhausted")
    only_the_winner_holds_anything(slug, body)
    assert [entry["address"] for entry in body["addresses"]] == ["10.99.0.2"]
    assert all("0 of 1 addresses" in answer["detail"] for _, status, answer in answers if status != 202)
