"""Sums over the fleet: right, kept for a while, and forgotten when an operator changes what hosts there are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actor import system
from pods.gear.simulated import SimulatedPod
from pods.models import Host, ImageCopy, Pod
from pods.services.capacity import capacity_by_pod
from pods.services.duty import set_duty
from pods.services.pod_state import set_pod_state
from pods.services.sums import copies_by_image, fleet_sums, kinds_by_pod, live_by_pod, total
from pods.states import HostDuty, PodState
from pods.testing import add_simulated_host, make_image, make_pod


@pytest.fixture
def two(db: None) -> Any:
    """A pod of three hosts and an empty one."""
    pod = make_pod("sim8", hosts=3)
    make_pod("sim9", hosts=0)
    yield pod
    SimulatedPod.forget("sim8")
    SimulatedPod.forget("sim9")


def test_sums_are_those_of_the_hosts(two: Pod) -> None:
    first = Host.objects.earliest("name")
    for duty in (HostDuty.MAINTENANCE, HostDuty.RETIRED):
        Host.objects.filter(pk=first.pk).update(duty=duty, kinds=["vm"])
    Host.objects.exclude(pk=first.pk).update(used_memory_mib=100, guests=2)
    lines = live_by_pod()
    assert set(lines) == {two.pk}
    assert total(lines[two.pk], "used_memory_mib") == 200
    assert sum(line.guests for line in lines[two.pk]) == 4
    assert sum(line.hosts for line in fleet_sums()) == 3
    assert kinds_by_pod() == {two.pk: ["zone"]}


def test_capacity_counts_as_free_only_what_takes_guests(two: Pod) -> None:
    silent, draining, _ = Host.objects.order_by("name")
    Host.objects.filter(pk=silent.pk).update(reachable=False)
    Host.objects.filter(pk=draining.pk).update(duty=HostDuty.DRAINING)
    (line,) = capacity_by_pod()
    assert (line["pod"], line["hosts"], line["taking_guests"]) == ("sim8", 3, 1)
    assert line["memory_mib"]["cap"] == 3 * line["memory_mib"]["free"]
    set_pod_state(actor=system("test"), pod=two, state=PodState.CLOSED)
    assert capacity_by_pod()[0]["memory_mib"]["free"] == 0


def test_one_query_and_then_none_for_a_while(two: Pod, settings: Any) -> None:
    settings.SUMS_S = 60
    with CaptureQueriesContext(connection) as captured:
        assert capacity_by_pod() == capacity_by_pod()
        assert kinds_by_pod()
    assert len(captured) == 1
    Host.objects.update(guests=7)
    assert capacity_by_pod()[0]["guests"] == 0  # as old as was said


def test_what_an_operator_changes_is_seen_at_once(two: Pod, settings: Any, django_capture_on_commit_callbacks: Any) -> None:
    settings.SUMS_S = 60
    assert capacity_by_pod()[0]["taking_guests"] == 3
    host = Host.objects.earliest("name")
    with django_capture_on_commit_callbacks(execute=True):
        set_duty(actor=system("test"), host=host, duty=HostDuty.DRAINING)
    assert capacity_by_pod()[0]["taking_guests"] == 2
    with django_capture_on_commit_callbacks(execute=True):
        add_simulated_host(two, "sim8-h4")
    assert capacity_by_pod()[0]["taking_guests"] == 3
    with django_capture_on_commit_callbacks(execute=True):
        set_pod_state(actor=system("test"), pod=two, state=PodState.DRAINING)
    assert capacity_by_pod()[0]["taking_guests"] == 0


def test_copies_are_counted_by_image(two: Pod) -> None:
    image = make_image()
    ImageCopy.objects.bulk_create(ImageCopy(image=image, host=host) for host in Host.objects.all())
    assert copies_by_image() == {image.pk: 3}
