"""The claim in one thread: sums, uid ranges, refusals, and plans that are stale by the time they are carried out."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from mcp.errors import Retry
from mcp.ids import new_id
from pods.errors import CapacityExhausted, PlacementContended
from pods.models import Allocation, Host, Pod
from pods.placement.request import Fleet, Need, PlacementRequest
from pods.services import claim as module
from pods.services.claim import UID_SLOTS, claim, release
from pods.services.fleet import load_fleet
from pods.services.room import Place, Snatched
from pods.states import HostDuty, PodState
from pods.tests.services.claims import NEED, OWNER, pod_for, take, wrong

pytestmark = pytest.mark.django_db


def test_a_claim_is_recorded_on_the_host_and_as_a_row() -> None:
    pod, holder = pod_for(10), new_id()
    (row,) = take(holders=[holder])
    assert (row.holder_id, row.account_id, row.pod_id, row.group, row.spread) == (holder, OWNER, pod.pk, "", "none")
    host = Host.objects.get(pk=row.host_id)
    assert (host.used_cpu_m, host.used_memory_mib, host.used_disk_gib, host.guests) == (100, 256, 1, 1)
    assert wrong() == []


def test_many_at_once_are_placed_in_order_of_their_holders() -> None:
    pod_for(10, hosts=3)
    holders = [new_id() for _ in range(25)]
    rows = take(25, holders=holders)
    assert [row.holder_id for row in rows] == holders
    assert Allocation.objects.count() == 25
    assert wrong() == []


def test_the_last_place_is_given_and_not_one_more() -> None:
    pod_for(5, hosts=2)
    take(9)
    take(1)
    with pytest.raises(CapacityExhausted):
        take(1)
    assert Allocation.objects.count() == 10
    assert wrong() == []


def test_all_or_none() -> None:
    pod_for(5)
    take(3)
    with pytest.raises(CapacityExhausted, match="room for 2 of 3"):
        take(3)
    assert Allocation.objects.count() == 3
    assert wrong() == []


def test_the_callers_rollback_leaves_nothing() -> None:
    pod_for(5)
    with transaction.atomic():
        assert len(take(2)) == 2
        transaction.set_rollback(True)
    assert not Allocation.objects.exists()
    assert not Host.objects.exclude(used_memory_mib=0, guests=0, next_uid_slot=0).exists()


@pytest.mark.django_db(transaction=True)
def test_a_claim_wants_the_callers_transaction() -> None:
    with pytest.raises(AssertionError, match="belongs to the transaction"):
        claim(PlacementRequest(need=NEED, kind="zone"), holders=[new_id()], account_id=OWNER)


def test_release_gives_back_once() -> None:
    pod_for(5)
    first, second = take(2)
    assert release(first.holder_id) is True
    assert release(first.holder_id) is False
    assert release(new_id()) is False
    host = Host.objects.get(pk=second.host_id)
    assert (host.used_cpu_m, host.used_memory_mib, host.used_disk_gib, host.guests) == (100, 256, 1, 1)
    assert wrong() == []


def test_what_was_released_can_be_claimed_again() -> None:
    pod_for(3)
    rows = take(3)
    release(rows[1].holder_id)
    take(1)
    with pytest.raises(CapacityExhausted):
        take(1)


def test_a_uid_range_rests_until_all_others_had_their_turn() -> None:
    pod_for(10)
    rows = take(3)
    assert sorted(row.uid_slot for row in rows) == [0, 1, 2]
    freed = next(row for row in rows if row.uid_slot == 1)
    release(freed.holder_id)
    assert take(1)[0].uid_slot == 3
    Host.objects.update(next_uid_slot=UID_SLOTS - 1)
    assert sorted(row.uid_slot for row in take(3)) == [1, 4, UID_SLOTS - 1]  # round, past those in use
    assert wrong() == []


def test_uid_ranges_are_of_a_host() -> None:
    pod_for(10, hosts=2)
    rows = take(2, spread="host")
    assert len({row.host_id for row in rows}) == 2
    assert [row.uid_slot for row in rows] == [0, 0]


@pytest.mark.parametrize(
    ("need", "short"),
    [
        (Need(10**9, 1, 1), "2 short of cpu"),
        (Need(1, 10**9, 1), "2 short of memory"),
        (Need(1, 1, 10**9), "2 short of disk"),
    ],
)
def test_a_refusal_names_what_is_short(need: Need, short: str) -> None:
    pod_for(5, hosts=2)
    with pytest.raises(CapacityExhausted) as refusal:
        take(need=need)
    assert short in refusal.value.detail
    assert "no room in any pod: of 2 hosts" in refusal.value.detail
    assert "Choose a smaller plan" in refusal.value.detail
    placement = refusal.value.context["placement"]
    assert placement["short"][short.split()[-1]] == 2
    assert "full1-h1" not in str(placement)
    assert "full1-h1" in str(refusal.value.context["operator"])


def test_a_refusal_names_hosts_that_take_no_guests() -> None:
    pod_for(5, hosts=3)
    Host.objects.filter(name="full1-h1").update(duty=HostDuty.MAINTENANCE)
    Host.objects.filter(name="full1-h2").update(reachable=False)
    Host.objects.filter(name="full1-h3").update(kinds=["vm"])
    with pytest.raises(CapacityExhausted, match="of 3 hosts, 2 not taking guests, 1 not for zones"):
        take()


def test_a_refusal_names_closed_and_other_pods() -> None:
    pod = pod_for(5)
    Pod.objects.filter(pk=pod.pk).update(state=PodState.DRAINING)
    with pytest.raises(CapacityExhausted, match="in pod full1: of 1 hosts, 1 in other or closed pods"):
        take(pod="full1")
    with pytest.raises(CapacityExhausted, match="of 0 hosts, none is enrolled"):
        take(pod="nowhere")


def test_a_retired_host_is_out_of_the_count() -> None:
    pod_for(5)
    Host.objects.update(duty=HostDuty.MAINTENANCE)
    Host.objects.update(duty=HostDuty.RETIRED)
    with pytest.raises(CapacityExhausted, match="of 0 hosts"):
        take()


def test_members_of_a_group_keep_apart_over_several_claims() -> None:
    pod_for(5, hosts=3)
    rows = take(2, spread="host", group="db") + take(1, spread="host", group="db")
    assert len({row.host_id for row in rows}) == 3
    take(1, spread="host", group="other")
    with pytest.raises(CapacityExhausted, match="3 already used by the group"):
        take(1, spread="host", group="db")
    release(rows[0].holder_id)
    assert take(1, spread="host", group="db")[0].host_id == rows[0].host_id


def test_members_of_a_group_keep_apart_over_pods() -> None:
    pod_for(5, hosts=2, slug="p1")
    pod_for(5, slug="p2")
    rows = take(1, spread="pod", group="db") + take(1, spread="pod", group="db")
    assert len({row.pod_id for row in rows}) == 2
    with pytest.raises(CapacityExhausted, match="already used by the group"):
        take(1, spread="pod", group="db")


def test_the_database_refuses_to_oversell_whoever_asks() -> None:
    pod_for(5)
    with pytest.raises(IntegrityError), transaction.atomic():
        Host.objects.update(used_memory_mib=10**6)


def stale(monkeypatch: pytest.MonkeyPatch, *, also_locked: bool = False) -> None:
    """Plans from now on are made on the fleet as it is at this moment; those under lock too, if told."""
    before = load_fleet()

    def load(*, lock: bool = False, pod: str | None = None) -> Fleet:
        return load_fleet(lock=True, pod=pod) if lock and not also_locked else before

    monkeypatch.setattr(module, "load_fleet", load)


def fill(name: str) -> None:
    """Somebody takes all of a host."""
    host = Host.objects.get(name=name)
    with transaction.atomic():
        Host.objects.filter(pk=host.pk).update(used_memory_mib=host.cap_memory_mib)


def test_room_that_was_snatched_away_is_looked_for_again_under_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    pod_for(5, hosts=2)
    Host.objects.filter(name="full1-h2").update(used_memory_mib=256)  # so h1 is the better one
    stale(monkeypatch)
    fill("full1-h1")
    (row,) = take()
    assert Host.objects.get(pk=row.host_id).name == "full1-h2"


@pytest.mark.parametrize("change", [{"duty": HostDuty.DRAINING}, {"reachable": False}])
def test_a_host_that_stopped_taking_guests_is_not_claimed(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    pod_for(5)
    stale(monkeypatch)
    Host.objects.update(**change)
    with pytest.raises(CapacityExhausted, match="1 not taking guests"):
        take()
    assert Host.objects.get().guests == 0


def test_what_the_first_round_took_is_undone_before_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten planned over two hosts, one of which filled up; the other five must not stay claimed."""
    pod_for(5, hosts=2)
    stale(monkeypatch)
    fill("full1-h1")
    with pytest.raises(CapacityExhausted, match="room for 5 of 10"):
        take(10)
    assert not Allocation.objects.exists()
    assert Host.objects.get(name="full1-h2").used_memory_mib == 0


def test_full_under_lock_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    pod_for(5)
    stale(monkeypatch)
    fill("full1-h1")
    with pytest.raises(CapacityExhausted) as refusal:
        take()
    assert refusal.value.retry is Retry.NEVER


def test_contended_is_another_answer_than_full(monkeypatch: pytest.MonkeyPatch) -> None:
    pod_for(5)
    stale(monkeypatch, also_locked=True)
    fill("full1-h1")
    with pytest.raises(PlacementContended) as refusal:
        take()
    assert refusal.value.retry is Retry.LATER
    assert not Allocation.objects.exists()


def test_a_member_that_joined_meanwhile_is_seen_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group's members are read again in every round; by the first look alone both would want the better host."""
    pod_for(5, hosts=2)
    Host.objects.filter(name="full1-h2").update(used_memory_mib=256)
    real = module.take_from

    def too_late(*args: Any, **options: Any) -> list[Place]:
        monkeypatch.setattr(module, "take_from", real)
        monkeypatch.setattr(module, "load_fleet", load)
        raise Snatched

    def load(**options: Any) -> Fleet:
        member("full1-h1")
        return load_fleet(**options)

    monkeypatch.setattr(module, "take_from", too_late)
    with pytest.raises(CapacityExhausted, match="2 already used by the group"):
        take(2, spread="host", group="db")


def test_a_host_that_filled_up_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    pod_for(5, hosts=2)
    real = module.take_from

    def too_late(*args: Any, **options: Any) -> list[Place]:
        monkeypatch.setattr(module, "take_from", real)
        raise Snatched

    monkeypatch.setattr(module, "take_from", too_late)
    assert len(take(2, spread="host", group="db")) == 2


def member(host_name: str) -> Allocation:
    """A member of the group `db` on that host."""
    host = Host.objects.get(name=host_name)
    fields = {"cpu_m": 0, "memory_mib": 0, "disk_gib": 0, "uid_slot": 99, "group": "db", "spread": "host", "group_slot": 0}
    return Allocation.objects.create(holder_id=new_id(), account_id=OWNER, host=host, pod=host.pod, **fields)
