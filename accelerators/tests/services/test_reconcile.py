"""A look at a host: what is recorded, which findings open, are counted and resolve."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.services.delete import delete
from accelerators.services.power import stop
from accelerators.services.reconcile import _worth_a_look, reconcile_all, reconcile_host, wanted_on
from accelerators.tasks import reconcile_hosts
from accelerators.testing.world import World
from mcp.events.models import Event
from mcp.testing.drain import drain
from pods.gear.errors import GearUnreachable
from pods.gear.hypervisor.base import Inventory, Limits
from pods.gear.simulated import SimulatedHost, SimulatedHypervisor
from pods.models import DriftFinding, Host, ImageCopy

pytestmark = pytest.mark.django_db


def at(row: Accelerator, world: World) -> tuple[Host, SimulatedHost]:
    """The row of its host, and the hand behind MCP's back there."""
    assert row.host is not None
    return row.host, world.host(row.host.name)


def kinds(state: str = "open") -> list[str]:
    return sorted(DriftFinding.objects.filter(state=state).values_list("kind", flat=True))


def told(row: Accelerator, kind: str) -> int:
    return Event.objects.filter(target_id=row.pk, kind=kind).count()


def test_all_as_wanted_leaves_no_finding_and_a_fresh_observation(world: World) -> None:
    row = world.running()
    host, _ = at(row, world)
    before = row.revision
    reconcile_host(host)
    row.refresh_from_db()
    host.refresh_from_db()
    assert (kinds(), row.state, row.power_observed, row.revision) == ([], "running", "running", before)
    assert row.observed_at == host.inventory_at
    assert host.last_seen_at is not None


def test_a_guest_stopped_by_hand(world: World) -> None:
    """The state follows at once, the wish stays; the finding is told once, counted, and resolves by itself."""
    row = world.running()
    host, hand = at(row, world)
    hand.stop_guest(str(row.pk))
    for times in (1, 2, 3):
        reconcile_host(host)
        finding = DriftFinding.objects.get()
        assert (finding.kind, finding.state, finding.times_seen) == ("power", "open", times)
    row.refresh_from_db()
    assert (row.state, row.power_observed, row.power_wanted) == ("stopped", "stopped", "running")
    assert (finding.target_id, finding.target_name, finding.account_id) == (row.pk, "web", world.account.pk)
    assert finding.first_seen_at < finding.last_seen_at
    assert told(row, "drift.power") == 1
    event = Event.objects.get(kind="drift.power")
    assert host.name not in event.message
    with hand.pod.store.change(hand.name) as state:
        state.guests[f"mcp-{row.pk}"].running = True
    reconcile_host(host)
    row.refresh_from_db()
    assert (row.state, kinds(), kinds("resolved")) == ("running", [], ["power"])
    hand.stop_guest(str(row.pk))
    reconcile_host(host)  # anew, not the old one revived
    assert (kinds(), kinds("resolved"), told(row, "drift.power")) == (["power"], ["power"], 2)


def test_a_guest_started_by_hand_though_it_should_not_run(world: World) -> None:
    row = world.running()
    stop(actor=world.actor, accelerator_id=row.pk)
    drain()
    host, hand = at(row, world)
    with hand.pod.store.change(hand.name) as state:
        state.guests[f"mcp-{row.pk}"].running = True
    reconcile_host(host)
    row.refresh_from_db()
    assert (row.state, row.power_wanted, kinds()) == ("running", "stopped", ["power"])


def test_what_lies_in_the_trash_stays_there_whatever_its_guest_does(world: World) -> None:
    row = world.running()
    delete(actor=world.actor, accelerator_id=row.pk)
    drain()
    host, hand = at(row, world)
    with hand.pod.store.change(hand.name) as state:
        state.guests[f"mcp-{row.pk}"].running = True
    reconcile_host(host)
    row.refresh_from_db()
    assert (row.state, row.power_observed, kinds()) == ("trashed", "running", ["power"])


def test_missing_at_the_second_look_only(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    hand.destroy_guest(str(row.pk))
    reconcile_host(host)
    row.refresh_from_db()
    assert (kinds(), row.power_observed) == ([], "unknown")
    assert row.missing_since is not None
    first = row.missing_since
    reconcile_host(host)
    row.refresh_from_db()
    assert (kinds(), row.missing_since, row.state) == (["missing"], first, "running")
    assert told(row, "drift.missing") == 1


def test_missing_for_one_look_is_forgotten(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    guest = hand.state().guests[f"mcp-{row.pk}"]
    hand.destroy_guest(str(row.pk))
    reconcile_host(host)
    with hand.pod.store.change(hand.name) as state:
        state.guests[guest.name] = guest
    reconcile_host(host)
    row.refresh_from_db()
    assert (row.missing_since, row.power_observed, kinds()) == (None, "running", [])


def test_limits_and_rules_changed_by_hand(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    hand.change_limits(str(row.pk), Limits(8192, 1.0, 5.0, 256))
    hand.drop_rules(str(row.pk))
    reconcile_host(host)
    assert kinds() == ["limits", "unguarded"]
    finding = DriftFinding.objects.get(kind="limits")
    assert (finding.wanted, finding.found) == ({"memory_mib": 256.0}, {"memory_mib": 8192.0})
    assert told(row, "drift.unguarded") == 1


def test_foreign_and_forgotten_guests_belong_to_nobody(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    hand.create_foreign("by-hand")
    reconcile_host(host)
    finding = DriftFinding.objects.get()
    assert (finding.kind, finding.guest_name, finding.target_id, finding.account_id) == ("unknown_guest", "by-hand", None, None)
    assert not Event.objects.filter(kind__startswith="drift.").exists()  # customers are not told of others' guests
    assert "by-hand" in hand.state().guests
    hand.destroy_foreign("by-hand")
    reconcile_host(host)
    assert (kinds(), kinds("resolved")) == ([], ["unknown_guest"])


def test_an_ignored_finding_is_counted_and_resolves(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    hand.create_foreign("by-hand")
    reconcile_host(host)
    DriftFinding.objects.update(state="ignored")
    reconcile_host(host)
    assert (kinds("ignored"), DriftFinding.objects.get().times_seen) == (["unknown_guest"], 2)
    hand.destroy_foreign("by-hand")
    reconcile_host(host)
    assert kinds("resolved") == ["unknown_guest"]


def test_findings_of_other_hosts_are_left_alone(world: World) -> None:
    one, two = Host.objects.order_by("name")
    world.host(one.name).create_foreign("by-hand")
    reconcile_host(one)
    reconcile_host(two)
    assert kinds() == ["unknown_guest"]


def test_lost_image_copies_are_forgotten_and_found_ones_noted(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    assert ImageCopy.objects.filter(host=host).count() == 1
    hand.drop_images()
    reconcile_host(host)
    assert not ImageCopy.objects.filter(host=host).exists()
    with hand.pod.store.change(hand.name) as state:
        state.images += [row.image.ref.key, "unknown-1-0123456789ab"]
    reconcile_host(host)
    assert [copy.image for copy in ImageCopy.objects.filter(host=host)] == [row.image]


def test_what_an_operation_works_on_is_left_alone(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    hand.stop_guest(str(row.pk))
    stop(actor=world.actor, accelerator_id=row.pk)
    assert [guest.busy for guest in wanted_on(host)] == [True]
    reconcile_host(host)
    row.refresh_from_db()
    assert (kinds(), row.state, row.power_observed) == ([], "stopping", "running")


class MeanwhileHypervisor:
    """Answers an inventory, and lets something happen before anybody has read it."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def inventory(self) -> Inventory:
        return self._inventory


def stale(world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look at that host shows what is there now."""
    seen = SimulatedHypervisor(world.simulated, host.name).inventory()
    monkeypatch.setattr("accelerators.services.reconcile.hypervisor_of", lambda _: MeanwhileHypervisor(seen))


def test_a_look_older_than_the_last_operation_is_not_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = world.running()
    host, _ = at(row, world)
    stale(world, host, monkeypatch)
    stop(actor=world.actor, accelerator_id=row.pk)
    drain()
    reconcile_host(host)
    row.refresh_from_db()
    assert (row.state, row.power_observed, kinds()) == ("stopped", "stopped", [])


def test_one_deleted_since_the_look_is_not_an_unknown_guest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = world.running()
    host, _ = at(row, world)
    stale(world, host, monkeypatch)
    delete(actor=world.actor, accelerator_id=row.pk, now=True)
    drain()
    reconcile_host(host)
    assert kinds() == []


def test_what_a_deleted_one_left_behind_is_an_unknown_guest(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    guest = hand.state().guests[f"mcp-{row.pk}"]
    delete(actor=world.actor, accelerator_id=row.pk, now=True)
    drain()
    with hand.pod.store.change(hand.name) as state:
        state.guests[guest.name] = guest
    reconcile_host(host)
    finding = DriftFinding.objects.get()
    assert (finding.kind, finding.target_id, finding.found["guest_id"]) == ("unknown_guest", None, str(row.pk))


def test_a_silent_host_teaches_nothing(world: World) -> None:
    row = world.running()
    host, hand = at(row, world)
    hand.go_down()
    with pytest.raises(GearUnreachable):
        reconcile_host(host)
    row.refresh_from_db()
    assert (row.missing_since, row.state, kinds()) == (None, "running", [])
    reconcile_hosts()  # the task only notes it
    assert kinds() == []


def test_the_task_keeps_every_host_true(world: World) -> None:
    row, other = world.running(), world.running("other")
    for guest in (row, other):
        _, hand = at(guest, world)
        hand.stop_guest(str(guest.pk))
    reconcile_hosts()
    assert kinds() == ["power", "power"]


def test_hosts_that_miss_heartbeats_and_hosts_just_looked_at_are_left_out(world: World) -> None:
    assert reconcile_all() == 2
    assert reconcile_all() == 0  # as when another process has just been there
    Host.objects.update(inventory_at=timezone.now() - timedelta(hours=1))
    Host.objects.filter(name="h1").update(failed_heartbeats=1)
    assert reconcile_all() == 1
    Host.objects.update(inventory_at=None, reachable=False)
    assert reconcile_all() == 0


def test_one_that_stops_answering_is_left_out_before_its_turn(world: World) -> None:
    hosts = _worth_a_look()
    assert next(hosts).name in ("h1", "h2")
    Host.objects.update(failed_heartbeats=1)
    assert list(hosts) == []


def test_old_observations_do_not_resolve_newer_findings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host.objects.get(name="h1")
    stale(world, host, monkeypatch)
    DriftFinding.objects.create(
        host=host, kind="unknown_guest", guest_name="x", sentence="x", last_seen_at=timezone.now() + timedelta(seconds=1)
    )
    reconcile_host(host)
    assert kinds() == ["unknown_guest"]
