"""Giving back what was held, and the last known form."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from accelerators.services.release import release_holdings, remember
from accelerators.testing.world import World, unequal_sums
from mcp.operations.models import Operation
from pods.models import Address, Allocation, Host

pytestmark = pytest.mark.django_db


def test_room_and_address_are_given_back_once(world: World) -> None:
    row, other = world.create("a").accelerators[0], world.create("b").accelerators[0]
    Operation.objects.all().delete()
    for _ in range(3):
        release_holdings(row.pk)
        assert set(Allocation.objects.values_list("holder_id", flat=True)) == {other.pk}
        assert set(Address.objects.filter(state="assigned").values_list("holder_id", flat=True)) == {other.pk}
        assert unequal_sums() == []
    release_holdings(other.pk)
    assert {host.used_memory_mib for host in Host.objects.all()} == {0}


def test_a_released_address_rests(world: World) -> None:
    row = world.create().accelerators[0]
    release_holdings(row.pk)
    address = Address.objects.get()
    assert (address.state, address.free_from is not None and address.free_from > timezone.now()) == ("quarantined", True)
    again = world.create("again").accelerators[0]
    assert Address.objects.get(holder_id=again.pk).ip != address.ip


def test_the_last_form_is_plain_and_names_no_host(world: World) -> None:
    row = world.running(tags={"b": "2", "a": "1"}, metadata={"secret": "x"}, user_script="#!/bin/sh\n")
    now = timezone.now()
    form = remember(row, now)
    assert json.loads(json.dumps(form)) == form
    assert (form["id"], form["name"], form["state"], form["deleted_at"]) == (str(row.pk), "web", "deleted", now.isoformat())
    assert (form["plan"], form["image"], form["pod"]) == ("zone-256m", "busybox@1", world.pod.slug)
    assert form["tags"] == {"a": "1", "b": "2"}
    assert form["addresses"] == [str(Address.objects.get(holder_id=row.pk).ip)]
    assert not {"host", "uid_slot", "metadata", "ssh_keys"} & set(form)
