"""Noting how full pods are, and reading how they grew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pods.models import CapacitySample, Host, Pod
from pods.placement.request import DIMENSIONS
from pods.services.runway import growth_by_pod, present_runway
from pods.services.sample_capacity import DAILY_KEPT, HOURLY_KEPT, sample_capacity
from pods.states import HostDuty
from pods.tasks import sample_capacity as task
from pods.tests.services.claims import pod_for, take

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, 0, 20, tzinfo=UTC)


def test_an_hour_is_noted_once_with_the_pods_sums() -> None:
    pod = pod_for(8, hosts=2)
    take(3)
    assert sample_capacity(START) == 1
    assert sample_capacity(START + timedelta(minutes=30)) == 0
    row = CapacitySample.objects.get()
    host_caps = Host.objects.values_list("cap_memory_mib", flat=True)
    assert (row.pod, row.at, row.daily) == (pod, START.replace(minute=0), True)
    assert (row.hosts, row.guests, row.used_memory_mib, row.cap_memory_mib) == (2, 3, 3 * 256, sum(host_caps))
    assert sample_capacity(START + timedelta(hours=1)) == 1
    assert list(CapacitySample.objects.order_by("at").values_list("daily", flat=True)) == [True, False]


def test_retired_hosts_and_pods_without_hosts_are_not_noted() -> None:
    pod_for(8)
    for duty in (HostDuty.DRAINING, HostDuty.RETIRED):
        Host.objects.update(duty=duty)
    Pod.objects.create(slug="empty1")
    assert sample_capacity(START) == 0


def test_what_is_old_is_forgotten_so_the_table_stays_small() -> None:
    """Two years of hours, put there and thinned a few times: two weeks of hours stay, and a year of days."""
    pod = pod_for(8)
    base = {"pod": pod, "hosts": 1, "guests": 0, **{f"{side}_{d}": 1 for side in ("cap", "used") for d in DIMENSIONS}}
    hour = START.replace(minute=0)
    CapacitySample.objects.bulk_create(
        CapacitySample(**base, at=hour - timedelta(hours=n), daily=(hour - timedelta(hours=n)).hour == 0)
        for n in range(1, 2 * 365 * 24)
    )
    sample_capacity(START)
    oldest = CapacitySample.objects.filter(daily=False).earliest("at").at
    assert hour - oldest <= HOURLY_KEPT
    assert hour - CapacitySample.objects.earliest("at").at <= DAILY_KEPT
    assert CapacitySample.objects.count() <= 14 * 24 + 367


def test_queries_do_not_grow_with_hosts_and_guests() -> None:
    pod_for(40, hosts=4)
    with CaptureQueriesContext(connection) as few:
        sample_capacity(START)
    take(30)
    with CaptureQueriesContext(connection) as many:
        sample_capacity(START + timedelta(hours=1))
    assert len(few) == len(many) <= 9


def test_the_task_notes_the_present_hour() -> None:
    pod_for(8)
    task()
    task()
    assert CapacitySample.objects.count() == 1


def test_growth_is_read_from_the_notes_of_the_last_weeks() -> None:
    """A guest more each day for ten days: 256 MiB a day."""
    pod_for(40)
    for day in range(10):
        take(1)
        for hour in (0, 6, 12, 18):
            sample_capacity(START + timedelta(days=day, hours=hour))
    with CaptureQueriesContext(connection) as queries:
        growth = growth_by_pod(START + timedelta(days=9, hours=18))["full1"]
    assert len(queries) == 1
    assert growth.per_day is not None
    assert growth.per_day[1] == pytest.approx(256, rel=0.05)
    host = Host.objects.get()
    told = present_runway(growth, [10**9, host.cap_memory_mib - host.used_memory_mib, 10**9])
    assert (told["ends_first"], told["enough_history"]) == ("memory", True)
    assert told["days"] == pytest.approx(30, rel=0.06)
    assert told["sentence"].startswith("Memory is full in ")
    assert told["history"][-1][1] == pytest.approx(10 * 256 / host.cap_memory_mib, abs=0.001)


def test_older_than_the_weeks_has_no_say() -> None:
    pod_for(40)
    take(20)
    sample_capacity(START)
    for day in range(40, 50):
        sample_capacity(START + timedelta(days=day))
    growth = growth_by_pod(START + timedelta(days=50))["full1"]
    assert growth.per_day == (0.0, 0.0, 0.0)
    assert growth.samples == 10


def test_no_notes_no_growth() -> None:
    assert growth_by_pod() == {}
    told = present_runway(None, [1, 1, 1])
    assert (told["days"], told["enough_history"], told["per_day"], told["history"]) == (None, False, None, [])
