"""The books of lent room, on one host: what is held, given back, counted in, and what the doctor says of it."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mcp.ids import new_id
from pods.errors import NoIdleRoom, NotLending
from pods.models import Allocation, Host
from pods.placement.request import Need, PlacementRequest
from pods.services.claim import claim, release
from pods.services.examinations import fix_sums, sums_add_up, wrong_sums
from pods.services.lending import FOREVER, schedule_of
from pods.services.spot import count_in, hold_spot, holds_spot, must_give_back, overfull, yield_spot
from pods.testing import make_pod

NEED = Need(1000, 256, 5)


@pytest.fixture
def host(db: None) -> Host:
    pod = make_pod("lend", hosts=1, memory_mib=512 + 1024)
    Host.objects.filter(pod=pod).update(spot="always")
    return Host.objects.select_related("pod").get(pod=pod)


def promise(*, preemptible: bool) -> UUID:
    holder = new_id()
    request = PlacementRequest(need=NEED, kind="zone", preemptible=preemptible)
    with transaction.atomic():
        claim(request, holders=[holder], account_id=new_id())
    return holder


def books(host: Host) -> tuple[int, int, int, int]:
    host.refresh_from_db()
    return host.used_memory_mib, host.spot_memory_mib, host.spot_cpu_m, host.used_disk_gib


def test_room_is_given_back_and_taken_again(host: Host) -> None:
    holder = promise(preemptible=True)
    assert (books(host), holds_spot(holder)) == ((0, 256, 1000, 5), True)
    assert not hold_spot(holder, NEED), "it has it"
    assert yield_spot(holder)
    assert not yield_spot(holder)
    assert (books(host), holds_spot(holder)) == ((0, 0, 0, 5), False)
    assert hold_spot(holder, NEED)
    assert books(host) == (0, 256, 1000, 5)
    assert yield_spot(holder)
    assert release(holder)
    assert books(host) == (0, 0, 0, 0)
    assert wrong_sums() == []


def test_firm_guests_have_nothing_to_yield(host: Host) -> None:
    holder = promise(preemptible=False)
    assert not yield_spot(holder)
    assert not hold_spot(holder, NEED)
    assert not count_in(holder, NEED)
    assert books(host) == (256, 0, 0, 5)


def test_what_runs_is_counted_even_where_there_is_no_room(host: Host) -> None:
    holder = promise(preemptible=True)
    yield_spot(holder)
    for _ in range(4):
        promise(preemptible=False)
    with pytest.raises(NoIdleRoom) as refused:
        hold_spot(holder, NEED)
    assert refused.value.context == {"short": ["memory"]}
    assert overfull(host.pk) == (0, 0)
    assert count_in(holder, NEED)
    assert not count_in(holder, NEED)
    assert overfull(host.pk) == (0, 256)
    assert wrong_sums() == []


def test_a_short_processor_is_named(host: Host) -> None:
    holder = promise(preemptible=True)
    yield_spot(holder)
    Host.objects.update(cap_cpu_m=500, cap_memory_mib=100)
    with pytest.raises(NoIdleRoom, match="no idle processor and memory"):
        hold_spot(holder, NEED)


@pytest.mark.parametrize("fields", [{"spot": "never"}, {"duty": "maintenance"}, {"spot": "windows"}])
def test_where_nothing_is_lent_nothing_is_held(host: Host, fields: dict[str, Any]) -> None:
    holder = promise(preemptible=True)
    yield_spot(holder)
    Host.objects.update(**fields)
    with pytest.raises(NotLending):
        hold_spot(holder, NEED)
    assert books(host) == (0, 0, 0, 5)


def test_schedules(host: Host) -> None:
    now = timezone.now()
    assert (schedule_of(host).lent_until(now), schedule_of(host).lends_next(now)) == (FOREVER, now)
    assert not must_give_back(schedule_of(host), now)
    host.spot = "never"
    assert (schedule_of(host).lent_until(now), schedule_of(host).lends_next(now)) == (None, None)
    assert must_give_back(schedule_of(host), now)
    host.spot, host.spot_windows = "windows", ["daily 00:00-24:00"]
    assert not must_give_back(schedule_of(host), now)


def test_the_doctor_knows_both_sides_and_mends_them(host: Host) -> None:
    promise(preemptible=True)
    promise(preemptible=False)
    assert list(sums_add_up()) == []
    Host.objects.update(spot_memory_mib=7, used_cpu_m=3)
    (finding,) = sums_add_up()
    assert "'spot_memory_mib': 7" in str(finding)
    assert "'spot_memory_mib': 256" in str(finding)
    list(fix_sums())
    assert books(host) == (256, 256, 1000, 10)
    assert list(sums_add_up()) == []


@pytest.mark.django_db(transaction=True)
def test_starts_and_firm_claims_at_once_never_lend_what_is_promised() -> None:
    """Six guests want their room back while firm ones arrive: whatever wins, nothing is lent beyond the room."""
    pod = make_pod("race", hosts=1, memory_mib=512 + 1024)
    Host.objects.filter(pod=pod).update(spot="always", cap_memory_mib=6 * 256)
    holders = [promise(preemptible=True) for _ in range(6)]
    with transaction.atomic():
        for holder in holders:
            yield_spot(holder)
    Host.objects.filter(pod=pod).update(cap_memory_mib=4 * 256)
    barrier, outcomes = threading.Barrier(8), []

    def take(holder: UUID | None) -> None:
        barrier.wait()
        try:
            with transaction.atomic():
                if holder is None:
                    promise(preemptible=False)
                else:
                    hold_spot(holder, NEED)
            outcomes.append(1)
        except NoIdleRoom:
            outcomes.append(0)
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(holder,)) for holder in (*holders, None, None)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    host = Host.objects.get(pod=pod)
    held = Allocation.objects.filter(preemptible=True, memory_mib__gt=0).count()
    assert len(outcomes) == 8
    assert host.used_memory_mib == 512
    assert host.spot_memory_mib == held * 256
    assert held <= 4, "more only by displacing, which those who arrived firmly see to"
    assert wrong_sums() == []
