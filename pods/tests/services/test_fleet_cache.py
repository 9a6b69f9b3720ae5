"""The fleet kept by a process: what it sees of others' changes, and that a claim never trusts it further than it may."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from pods.models import Host, Pod
from pods.services.fleet import load_fleet
from pods.services.fleet_cache import FleetCache, fleet_cache
from pods.states import HostDuty
from pods.tests.services.claims import pod_for, take
from pods.tests.services.racing import race

postgres = [pytest.mark.postgres, pytest.mark.usefixtures("on_postgres")]


@pytest.fixture
def cache(settings: Any) -> FleetCache:
    """Refreshed at every look, reloaded never."""
    settings.PLACEMENT_REFRESH_S = 1e-9
    settings.PLACEMENT_RELOAD_S = 1e9
    return FleetCache()


def same(cache: FleetCache) -> bool:
    """Whether it is what a fresh read says."""
    mine, fresh = cache.get(), load_fleet()
    columns = ("capacity", "used", "spot", "accepting", "pod", "owner", "lends")
    return list(mine.ids) == list(fresh.ids) and all(np.array_equal(getattr(mine, c), getattr(fresh, c)) for c in columns)


@pytest.mark.django_db
def test_without_postgresql_or_where_turned_off_it_reads_anew(settings: Any) -> None:
    settings.PLACEMENT_REFRESH_S = 0
    pod_for(5, hosts=2)
    cache = FleetCache()
    assert not cache.keeps
    assert same(cache)
    take(2)
    assert same(cache)


class TestKept:
    """On PostgreSQL."""

    pytestmark: ClassVar = [*postgres, pytest.mark.django_db(transaction=True)]

    def test_changes_of_sums_and_of_anything_else_are_seen(self, cache: FleetCache) -> None:
        pod = pod_for(5, hosts=3)
        assert same(cache)
        take(4)
        assert same(cache)
        Host.objects.filter(name="full1-h1").update(duty=HostDuty.DRAINING)
        Host.objects.filter(name="full1-h2").update(traits=["ssd"], exclusive_account_id=pod.pk)
        assert same(cache)
        assert cache.get().having(cache.get().traits, "ssd").sum() == 1
        Host.objects.filter(name="full1-h1").update(duty=HostDuty.RETIRED)
        assert same(cache)
        assert len(cache.get()) == 2
        pod_for(5, hosts=1, slug="second")
        assert same(cache)

    def test_a_pods_own_change_is_seen(self, cache: FleetCache) -> None:
        pod = pod_for(5)
        assert cache.get().pods[0].open
        Pod.objects.filter(pk=pod.pk).update(state="draining")
        assert not cache.get().pods[0].open

    def test_a_refresh_reads_only_what_changed(self, cache: FleetCache) -> None:
        pod_for(5, hosts=3)
        cache.get()
        first = cache.get()
        with CaptureQueriesContext(connection) as queries:
            again = cache.get()
        assert again.used is first.used
        assert len(queries) <= 3

    def test_a_change_committed_after_a_later_one_is_not_missed(self, cache: FleetCache) -> None:
        """The first writes first and commits last, after a look in between: a plain counter would skip it."""
        pod_for(5, hosts=2)
        cache.get()
        wrote, looked = threading.Event(), threading.Event()

        def work(number: int) -> None:
            if number == 0:
                with transaction.atomic():
                    Host.objects.filter(name="full1-h1").update(used_memory_mib=256)
                    wrote.set()
                    assert looked.wait(30)
                return
            assert wrote.wait(30)
            Host.objects.filter(name="full1-h2").update(used_memory_mib=512)
            cache.get()
            looked.set()

        race(work, threads=2)
        assert same(cache)

    def test_one_pod_of_it(self, cache: FleetCache) -> None:
        pod_for(5, hosts=2, slug="p1")
        pod_for(5, hosts=3, slug="p2")
        assert len(cache.get(pod="p2")) == 3
        assert len(cache.get(pod="nowhere")) == 0

    def test_a_claim_on_a_stale_picture_goes_where_there_is_room(self, settings: Any) -> None:
        """The picture shows h1 empty; by now it is full, and the claim finds h2."""
        settings.PLACEMENT_REFRESH_S = settings.PLACEMENT_RELOAD_S = 1e9
        pod_for(5, hosts=2)
        Host.objects.filter(name="full1-h2").update(used_memory_mib=256)
        fleet_cache.forget()
        fleet_cache.get()
        Host.objects.filter(name="full1-h1").update(used_memory_mib=5 * 256)
        (row,) = take()
        assert Host.objects.get(pk=row.host_id).name == "full1-h2"
        Host.objects.filter(name="full1-h1").update(used_memory_mib=0)
        assert len(take(5)) == 5
        fleet_cache.forget()
