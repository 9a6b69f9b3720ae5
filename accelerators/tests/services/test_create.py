"""Asking for accelerators: all or none, every fault named, nothing kept of what was refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accelerators.errors import DoesNotFit, NameTaken
from accelerators.models import Accelerator, Tag
from accelerators.services import create as creating
from accelerators.services.release import release_holdings
from accelerators.services.wish import CreateWish
from accelerators.testing.world import World, make_world, unclean
from accounts.models import Account, AccountLimit, SshKey
from accounts.services.ssh_keys import add_ssh_key
from mcp.errors import ControlPlaneError, Forbidden, InvalidInput, LimitExceeded
from mcp.events.models import AuditEntry, Event
from mcp.operations.models import Operation
from mcp.secrets import unseal
from mcp.testing.drain import drain
from pods.errors import AddressesExhausted, CapacityExhausted
from pods.models import Address, Image, Network, Pod

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5M1XB5dL3Ru1mNBJJ3oXqSZXv1cm6ZwBZC4bYGk3Xq"


def nothing_made(world: World) -> bool:
    """Neither a row nor room, nor an address, nor a line in any log."""
    assert not Accelerator.objects.exists()
    assert not Operation.objects.exists()
    assert not Tag.objects.exists()
    assert not Event.objects.filter(target_type="accelerator").exists()
    assert not AuditEntry.objects.filter(target_type="accelerator").exists()
    assert unclean(world) == []
    return True


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Web"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"name": "$(reboot)"}, "name"),
        ({"name": "web\n"}, "name"),
        ({"count": 0}, "count"),
        ({"count": -1}, "count"),
        ({"count": 101}, "count"),
        ({"name": "a" * 62, "count": 10}, "name"),  # the numbers would make it too long
        ({"plan": "nope"}, "plan"),
        ({"plan": "'; DROP TABLE x;--"}, "plan"),
        ({"image": "nope"}, "image"),
        ({"image": "busybox@99"}, "image"),
        ({"pod": "nope"}, "pod"),
        ({"spread": "rack"}, "spread"),
        ({"group": "../x"}, "group"),
        ({"group": "x" * 65}, "group"),
        ({"group": "x\n"}, "group"),
        ({"ssh_keys": ["nobody"]}, "ssh_keys"),
        ({"ssh_keys": ["ssh-rsa AAAA"]}, "ssh_keys"),
        ({"ssh_keys": ['command="x" ' + KEY]}, "ssh_keys"),
        ({"ssh_keys": ["x"] * 51}, "ssh_keys"),
        ({"user_script": "echo no interpreter"}, "user_script"),
        ({"user_script": "#!/bin/sh\n" + "x" * 65_536}, "user_script"),
        ({"user_script": "#!/bin/sh\n" + "ä" * 32_768}, "user_script"),  # bytes count, not characters
        ({"user_script": "#!/bin/sh\x00"}, "user_script"),
        ({"tags": {"": "x"}}, "tags"),
        ({"tags": {"a b": "x"}}, "tags"),
        ({"tags": {"a" * 65: "x"}}, "tags"),
        ({"tags": {"a": "x\ny"}}, "tags"),
        ({"tags": {"a": "x\x1b[2J"}}, "tags"),
        ({"tags": {"a": "x" * 129}}, "tags"),
        ({"tags": {"a": 5}}, "tags"),
        ({"tags": {str(n): "" for n in range(51)}}, "tags"),
        ({"metadata": {"<script>": "x"}}, "metadata"),
        ({"metadata": {"a": {"deep": "x"}}}, "metadata"),
        ({"metadata": {"a": "x" * 4097}}, "metadata"),
        ({"metadata": {"a": "\x00"}}, "metadata"),
        ({"metadata": {str(n): "" for n in range(51)}}, "metadata"),
    ],
)
def test_each_hostile_value_names_its_field_and_makes_nothing(world: World, change: dict[str, Any], field: str) -> None:
    wish = {"name": "web", **change}
    with pytest.raises(InvalidInput) as refused:
        world.create(**wish)
    assert [error.field for error in refused.value.errors] == [field]
    assert refused.value.errors[0].message
    assert nothing_made(world)


@pytest.mark.django_db
def test_several_faults_are_told_at_once(world: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.create("9web", count=0, group="/", tags={"a b": ""}, user_script="x", spread="?")
    assert {error.field for error in refused.value.errors} == {"name", "count", "group", "tags", "user_script", "spread"}


@pytest.mark.django_db
def test_plan_and_image_must_go_together(world: World) -> None:
    Image.objects.filter(pk=world.image.pk).update(min_memory_mib=512)
    with pytest.raises(DoesNotFit, match="at least 512 MiB"):
        world.create()
    Image.objects.filter(pk=world.image.pk).update(min_memory_mib=1, kind="vm")
    with pytest.raises(DoesNotFit, match="of kind vm"):
        world.create()
    assert nothing_made(world)


@pytest.mark.django_db
def test_one_is_written_whole(world: World) -> None:
    created = world.create(tags={"env": "prod", "x": ""}, metadata={"note": "<b>"}, group="g", spread="host", protected=True)
    row = Accelerator.objects.get()
    assert created.accelerators == [row]
    assert (row.name, row.state, row.power_wanted, row.protected) == ("web", "provisioning", "running", True)
    assert (row.memory_mib, row.cpu_m, row.disk_gib, row.processes) == (256, 1000, 5, 256)
    assert (row.metadata, row.group, row.spread) == ({"note": "<b>"}, "g", "host")
    assert dict(row.tag_rows.values_list("key", "value")) == {"env": "prod", "x": ""}
    operation = Operation.objects.get()
    assert (operation.kind, operation.target_id, operation.account_id) == ("accelerator.create", row.pk, world.account.pk)
    assert row.host is not None
    assert operation.placement is not None
    assert row.host.name not in str(operation.placement["customer"])
    assert {line.resource: line.used for line in created.limits_after}["accelerators"] == 1
    assert AuditEntry.objects.get(action="accelerator.create").target_id == str(row.pk)


@pytest.mark.django_db
def test_a_batch_is_numbered_and_each_has_room_address_and_operation(world: World) -> None:
    world.create("web-2")
    created = world.create("web", count=3)
    assert [row.name for row in created.accelerators] == ["web-1", "web-3", "web-4"]
    assert len({operation.batch_id for operation in created.operations}) == 1
    assert [operation.target_id for operation in created.operations] == [row.pk for row in created.accelerators]
    addresses = Address.objects.filter(holder_id__in=[row.pk for row in created.accelerators])
    assert len({row.ip for row in addresses}) == 3
    drain()
    everything = frozenset(str(pk) for pk in Accelerator.objects.values_list("pk", flat=True))
    assert unclean(world, expected=everything) == []


@pytest.mark.django_db
def test_a_name_is_taken_until_it_is_deleted_for_good(world: World) -> None:
    world.create()
    with pytest.raises(NameTaken, match="'web'"):
        world.create()
    assert Accelerator.objects.count() == 1
    other = make_world()
    other.create()  # another account's names are its own


@pytest.mark.django_db
def test_all_or_none_when_the_fleet_has_room_for_some_only() -> None:
    world = make_world(hosts=1, memory_mib=2048)
    with pytest.raises(CapacityExhausted):
        world.create(count=20)
    assert nothing_made(world)
    world.create(count=2)


@pytest.mark.django_db
def test_all_or_none_when_addresses_run_out() -> None:
    world = make_world(cidr="10.98.0.0/29")
    with pytest.raises(AddressesExhausted):
        world.create(count=8)
    assert nothing_made(world)


@pytest.mark.django_db
def test_a_pod_without_network_keeps_nothing(world: World) -> None:
    Network.objects.all().delete()
    with pytest.raises(AddressesExhausted, match="no network"):
        world.create()
    assert nothing_made(world)


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["_claim", "_lease", "_write", "_submit", "_note"])
def test_a_defect_anywhere_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    whole: Callable[..., Any] = getattr(creating, place)

    def breaking(*args: Any, **kwargs: Any) -> Any:
        whole(*args, **kwargs)
        raise RuntimeError(place)

    monkeypatch.setattr(creating, place, breaking)
    with pytest.raises(RuntimeError, match=place):
        world.create(count=3, tags={"a": "b"})
    assert nothing_made(world)


@pytest.mark.django_db
@pytest.mark.parametrize(("resource", "limit"), [("accelerators", 2), ("memory_mib", 767), ("vcpus", 2), ("disk_gib", 14)])
def test_limits_are_counted_from_live_rows(world: World, resource: str, limit: int) -> None:
    AccountLimit.objects.create(account=world.account, resource=resource, limit=limit)
    with pytest.raises(LimitExceeded) as refused:
        world.create(count=3)
    assert refused.value.context["short"][0].startswith(f"{resource}: 0 of {limit} used, ")
    assert nothing_made(world)
    created = world.create(count=2)
    with pytest.raises(LimitExceeded):
        world.create("db")
    Accelerator.objects.filter(pk=created.accelerators[0].pk).update(state="failed")  # holds nothing
    world.create("db")


@pytest.mark.django_db
def test_the_trash_counts_and_no_limit_is_none(world: World) -> None:
    AccountLimit.objects.create(account=world.account, resource="accelerators", limit=None)
    world.create(count=3)
    AccountLimit.objects.update(limit=3)
    for state in ("running", "stopping", "stopped", "deleting", "trashed"):
        Accelerator.objects.exclude(state=state).update(state=state)
        with pytest.raises(LimitExceeded):
            world.create("db")


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["suspended", "closed"])
def test_an_account_that_is_not_active_makes_nothing(world: World, state: str) -> None:
    Account.objects.filter(pk=world.account.pk).update(state=state)
    with pytest.raises(ControlPlaneError, match=state):
        world.create()
    assert nothing_made(world)


@pytest.mark.django_db
def test_a_closed_pod_cannot_be_asked_for(world: World) -> None:
    Pod.objects.update(state="closed")
    with pytest.raises(InvalidInput) as refused:
        world.create(pod=world.pod.slug)
    assert refused.value.errors[0].field == "pod"


@pytest.mark.django_db
def test_a_viewer_makes_nothing(world: World) -> None:
    wish = CreateWish("web", "zone-256m", world.image.slug)
    with pytest.raises(Forbidden):
        creating.create_accelerators(actor=replace(world.actor, role="viewer"), wish=wish)
    with pytest.raises(Forbidden):
        creating.create_accelerators(actor=replace(world.actor, scopes=("read",)), wish=wish)
    assert nothing_made(world)


@pytest.fixture
def stored(world: World) -> SshKey:
    """A key of the account."""
    return add_ssh_key(actor=world.actor, public_key=KEY + " laptop")


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["name", "pk", "fingerprint", "text"])
def test_a_key_is_named_in_any_way(world: World, stored: SshKey, by: str) -> None:
    wanted = KEY + " another comment" if by == "text" else str(getattr(stored, by))
    row = world.create(ssh_keys=[wanted]).accelerators[0]
    assert row.ssh_keys == [KEY]


@pytest.mark.django_db
def test_keys_without_asking_none_and_twice(world: World, stored: SshKey) -> None:
    assert world.create("a").accelerators[0].ssh_keys == [KEY]
    assert world.create("b", ssh_keys=[]).accelerators[0].ssh_keys == []
    assert world.create("c", ssh_keys=["laptop", KEY, stored.fingerprint]).accelerators[0].ssh_keys == [KEY]


@pytest.mark.django_db
def test_another_accounts_key_is_not_known(world: World, stored: SshKey) -> None:
    other = make_world()
    for wanted in (stored.name, str(stored.pk), stored.fingerprint):
        with pytest.raises(InvalidInput):
            other.create(ssh_keys=[wanted])


@pytest.mark.django_db
def test_the_user_script_is_sealed_at_rest(world: World) -> None:
    script = "#!/bin/sh\necho s3cret-token\n"
    row = world.create(user_script=script).accelerators[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_user_script FROM accelerators_accelerator")
        stored_text = cursor.fetchone()[0]
    assert "s3cret-token" not in stored_text
    assert unseal(stored_text) == script
    drain()
    logged = [str(list(model.objects.values())) for model in (Event, AuditEntry, Operation)]
    assert not any("echo s3cret-token" in text for text in logged)
    row.refresh_from_db()
    assert row.state == "running"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_who_ask_for_the_last_room_at_once(on_postgres: None) -> None:
    """Ten times: exactly one of the two gets it, whether host or account is what runs out."""
    world = make_world(hosts=1)
    AccountLimit.objects.create(account=world.account, resource="accelerators", limit=10)
    outcomes: list[str] = []

    def ask(name: str, barrier: threading.Barrier) -> None:
        try:
            barrier.wait(20)
            world.create(name)
            outcomes.append("made")
        except ControlPlaneError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    for round_ in range(10):
        AccountLimit.objects.update(limit=round_ + 1)
        barrier = threading.Barrier(2)
        threads = [threading.Thread(target=ask, args=(f"{name}{round_}", barrier)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(outcomes[-2:]) == ["account.limit_exceeded", "made"], outcomes
        assert Accelerator.objects.count() == round_ + 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_who_ask_for_the_last_place_on_a_host(on_postgres: None) -> None:
    first = make_world(hosts=1, memory_mib=1024)
    filling = 0
    while True:
        try:
            first.create(f"fill{filling}")
        except CapacityExhausted:
            break
        filling += 1
    assert filling > 0
    last = Accelerator.objects.latest("created_at")
    give_back(last)
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def ask(name: str) -> None:
        try:
            barrier.wait(20)
            first.create(name)
            outcomes.append("made")
        except ControlPlaneError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == sorted(["made", CapacityExhausted.code])


def give_back(row: Accelerator) -> None:
    """Give one's room back, as a deletion at its end."""
    Operation.objects.filter(target_id=row.pk).update(state="cancelled", finished_at=timezone.now())
    Accelerator.objects.filter(pk=row.pk).update(state="failed")
    release_holdings(row.pk)
