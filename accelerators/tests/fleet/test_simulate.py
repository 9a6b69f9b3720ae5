"""A simulated fleet is plausible: everything adds up, every state occurs, and hosts show what the rows say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Sum

from accelerators.fleet.simulate import simulate
from accelerators.models import Accelerator, Plan, Tag
from accelerators.services.create import create_accelerators
from accelerators.services.reconcile import reconcile_host
from accelerators.services.wish import CreateWish
from accelerators.states import State
from accelerators.testing.world import unequal_sums
from accelerators.tests.fleet.conftest import ACCELERATORS, wish
from accounts.actor import Actor
from accounts.models import Account, ApiKey, Membership, SshKey
from accounts.permissions import Role
from accounts.services.limits import limits_with_use
from mcp.errors import Conflict, InvalidInput
from mcp.events.models import AuditEntry, Event
from mcp.health.doctor import Level, _examinations
from mcp.operations.models import Operation
from mcp.operations.states import ACTIVE, OperationState
from mcp.testing.drain import drain
from pods.gear.errors import GearUnreachable
from pods.models import (
    Address,
    Allocation,
    DriftFinding,
    Host,
    ImageCopy,
    MaintenanceWindow,
    Move,
    MoveRun,
    Network,
    Pod,
    Refusal,
)
from pods.services.heartbeat import heartbeat
from pods.states import FindingState, HostDuty, SpotUse


def _shape(world: str) -> list[tuple[Any, ...]]:
    """What equal wishes have in common: names, sizes and states, without the world's own name, ids and times."""
    rows = Accelerator.objects.filter(pod__slug__startswith=f"{world}-").order_by("account__slug", "name")
    columns = ("account__slug", "name", "state", "plan__slug", "pod__slug", "host__name", "group", "power_wanted")
    return [tuple(str(value).removeprefix(f"{world}-") for value in row) for row in rows.values_list(*columns)]


def test_there_is_as_much_as_was_asked_for(fleet: str) -> None:
    assert fleet == "sim1"
    assert (Host.objects.count(), Accelerator.objects.count(), Pod.objects.count()) == (40, ACCELERATORS, 3)
    assert Account.objects.count() == 14
    assert Account.objects.annotate(n=Count("accelerators")).filter(n=0).count() == 0
    assert SshKey.objects.count() >= 14 <= ApiKey.objects.count()
    assert Membership.objects.filter(role=Role.OWNER).count() == 14


def test_everything_occurs(fleet: str) -> None:
    assert set(Accelerator.objects.values_list("state", flat=True)) == set(State.values) - {State.MOVING}
    assert set(Host.objects.values_list("duty", flat=True)) == set(HostDuty.values)
    assert Plan.objects.filter(accelerators__isnull=False, kind="vm").exists()
    assert Allocation.objects.filter(preemptible=True).exists()
    assert Allocation.objects.filter(spread="host", group_slot__isnull=False).exists()
    assert Host.objects.exclude(spot=SpotUse.NEVER).exists()
    assert Pod.objects.filter(n_plus_one=True).exists()
    for model in (MaintenanceWindow, Move, MoveRun, Tag, Refusal, ImageCopy, Event, AuditEntry, DriftFinding):
        assert model._default_manager.exists(), model
    assert set(DriftFinding.objects.filter(state="open").values_list("kind", flat=True)) >= {"power", "missing", "limits"}


def test_sums_are_those_of_the_allocations(fleet: str) -> None:
    for host in Host.objects.all():
        firm = host.allocations.filter(preemptible=False).aggregate(cpu=Sum("cpu_m"), memory=Sum("memory_mib"))
        spot = host.allocations.filter(preemptible=True).aggregate(cpu=Sum("cpu_m"), memory=Sum("memory_mib"))
        disk = host.allocations.aggregate(disk=Sum("disk_gib"), n=Count("id"))
        assert (host.used_cpu_m, host.used_memory_mib) == (firm["cpu"] or 0, firm["memory"] or 0)
        assert (host.spot_cpu_m, host.spot_memory_mib) == (spot["cpu"] or 0, spot["memory"] or 0)
        assert (host.used_disk_gib, host.guests) == (disk["disk"] or 0, disk["n"])
    assert unequal_sums() == []
    over = Host.objects.filter(used_memory_mib__gt=F("cap_memory_mib") - F("spot_memory_mib"))
    assert not over.exists()
    assert not Allocation.objects.filter(host__duty=HostDuty.RETIRED).exists()


def test_the_doctor_finds_nothing_that_does_not_add_up(fleet: str) -> None:
    known = dict(_examinations)
    for name in set(known) - {"settings", "database", "broker", "worker", "operations", "hosts", "drift"}:
        assert list(known[name]()) == [], name
    assert [finding for finding in known["operations"]() if finding.level is Level.FAIL] == []


def test_nobody_holds_more_than_the_limits_allow(fleet: str) -> None:
    for account in Account.objects.all():
        over = [line for line in limits_with_use(account) if line.limit is not None and line.used > line.limit]
        assert over == [], account.slug


def test_guests_are_where_they_may_be(fleet: str) -> None:
    for row in Allocation.objects.select_related("host"):
        assert row.kind in row.host.kinds
        assert set(row.required_traits) <= set(row.host.traits)
        assert row.host.exclusive_account_id in (None, row.account_id)
        assert not row.preemptible or row.host.spot != SpotUse.NEVER
    placed = Accelerator.objects.exclude(state__in=[State.FAILED, State.DELETED])
    assert placed.filter(host__isnull=True).count() == 0
    for network in Network.objects.annotate(n=Count("addresses")):
        assert network.next_offset == network.n <= network.size
    assert Address.objects.filter(state="assigned").count() == placed.count()


def test_each_is_as_its_last_operation_left_it(fleet: str) -> None:
    created = Operation.objects.filter(kind="accelerator.create")
    assert created.count() == ACCELERATORS
    assert created.filter(state=OperationState.FAILED).count() == Accelerator.objects.filter(state=State.FAILED).count()
    at_work = set(Operation.objects.filter(state__in=sorted(ACTIVE)).values_list("target_id", flat=True))
    passing = Accelerator.objects.filter(
        state__in=["provisioning", "starting", "stopping", "restarting", "deleting", "restoring"]
    )
    assert at_work == set(passing.values_list("pk", flat=True))
    for operation in Operation.objects.filter(state=OperationState.SUCCEEDED)[:50]:
        assert [step.state for step in operation.steps] == ["done"] * len(operation.steps)
        assert Event.objects.filter(operation_id=operation.pk).count() == 3
        assert operation.finished_at is not None
        assert operation.finished_at > operation.created_at


def test_hosts_show_what_the_rows_say(fleet: str) -> None:
    """A look at each host that answers finds the open findings again, and nothing else."""
    told = Counter(DriftFinding.objects.filter(state=FindingState.OPEN).values_list("host__name", "kind", "guest_name"))
    times = dict(DriftFinding.objects.filter(state=FindingState.OPEN).values_list("pk", "times_seen"))
    before = Counter(Accelerator.objects.values_list("state", flat=True))
    for host in Host.objects.exclude(duty=HostDuty.RETIRED).select_related("pod"):
        if host.reachable:
            reconcile_host(host)
        else:
            with pytest.raises(GearUnreachable):
                reconcile_host(host)
    now = DriftFinding.objects.filter(state=FindingState.OPEN)
    assert Counter(now.values_list("host__name", "kind", "guest_name")) == told
    assert all(row.times_seen == times[row.pk] + 1 for row in now)
    assert Counter(Accelerator.objects.values_list("state", flat=True)) == before
    assert not Accelerator.objects.filter(missing_since__isnull=False).exclude(
        pk__in=now.filter(kind="missing").values("target_id")
    ).exists()  # fmt: skip


def test_heartbeats_find_nothing_new(fleet: str) -> None:
    before = set(Host.objects.values_list("pk", "reachable", "boot_id"))
    for host in Host.objects.exclude(duty=HostDuty.RETIRED).select_related("pod"):
        heartbeat(host)
    assert set(Host.objects.values_list("pk", "reachable", "boot_id")) == before


def test_what_was_at_work_is_carried_out(fleet: str) -> None:
    queued = set(Operation.objects.filter(state=OperationState.QUEUED).values_list("pk", flat=True))
    assert queued
    drain()
    ended = Operation.objects.filter(pk__in=queued)
    assert set(ended.values_list("state", flat=True)) == {OperationState.SUCCEEDED}


def test_customers_of_it_can_have_more(fleet: str) -> None:
    member = Membership.objects.filter(role=Role.OWNER, account__state="active").select_related("account", "user").latest("pk")
    actor = Actor(label="x", account=member.account, role=Role.OWNER, user=member.user)
    asked = CreateWish(name="more", plan="zone-256m", image="debian-12", count=3, spread="host")
    ids = [row.pk for row in create_accelerators(actor=actor, wish=asked).accelerators]
    drain()
    assert set(Accelerator.objects.filter(pk__in=ids).values_list("state", flat=True)) == {State.RUNNING}


def test_a_second_run_adds_a_world_of_its_own(fleet: str, tmp_path: Path) -> None:
    before = set(Accelerator.objects.values_list("pk", "revision"))
    assert simulate(wish(tmp_path)) == "sim2"
    assert set(Accelerator.objects.filter(pod__slug__startswith="sim1-").values_list("pk", "revision")) == before
    assert Accelerator.objects.count() == 2 * ACCELERATORS
    assert _shape("sim2") == _shape("sim1")


def test_another_seed_makes_another_fleet(fleet: str, tmp_path: Path) -> None:
    assert simulate(wish(tmp_path, seed=2)) == "sim2"
    assert _shape("sim2") != _shape("sim1")


def test_few_hosts_are_larger_ones(db: None, tmp_path: Path) -> None:
    simulate(wish(tmp_path, hosts=3))
    assert Accelerator.objects.filter(state=State.FAILED).count() < ACCELERATORS / 10
    assert Host.objects.filter(cap_memory_mib__gt=400_000).exists()


def test_real_hosts_are_left_to_themselves(fleet: str, tmp_path: Path) -> None:
    pod = Pod.objects.earliest("slug")
    Host.objects.create(pod=pod, name="iron", driver="lxc", address="192.0.2.9")
    with pytest.raises(Conflict, match=r"real hosts \(sim1-ams1/iron is one\)"):
        simulate(wish(tmp_path))
    assert simulate(wish(tmp_path, beside_real_hosts=True)) == "sim2"


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"hosts": 2}, "hosts"), ({"pods": 0}, "pods"), ({"accelerators": 0}, "accelerators"), ({"accounts": 241}, "accounts"),
     ({"accelerators": 200_000, "accounts": 0}, "pods")],
)  # fmt: skip
def test_impossible_sizes_are_named(db: None, tmp_path: Path, fields: dict[str, int], named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        simulate(wish(tmp_path, **fields))
    assert [error.field for error in caught.value.errors] == [named]
    assert not Account.objects.exists()


def test_the_command_shows_progress_and_refuses_in_a_sentence(db: None, tmp_path: Path, capsys: Any) -> None:
    sizes = ["--hosts", "6", "--accelerators", "30", "--pods", "2", "--state", str(tmp_path)]
    call_command("simulate", *sizes)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["sim1", "sim1-ams1", "sim1-fra1"]
    assert "30 of 30 accelerators" in lines[2]
    assert str(tmp_path / "sim1") in lines[-1]
    Host.objects.update(driver="lxc")
    with pytest.raises(CommandError, match="say --beside-real-hosts"):
        call_command("simulate", *sizes)
