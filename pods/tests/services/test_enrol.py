"""Enrolling pods and hosts: bad input names its field, machines are looked at before anything is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accounts.actor import system
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.models import AuditEntry, Event
from mcp.ids import new_id
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from pods.errors import HostUnusable
from pods.gear.errors import GearUnreachable, HostKeyChanged
from pods.gear.hypervisor.base import HostFacts, Missing
from pods.gear.simulated import SimulatedHypervisor, SimulatedPod
from pods.models import Host, Network, Pod
from pods.services import enrol
from pods.services.enrol import HostWish, NetworkWish, add_host, add_pod, look_at, probe_host, record_facts, reprobe_host
from pods.states import HostDuty
from pods.testing import make_pod
from pods.tests.services.racing import THREADS, race

pytestmark = pytest.mark.django_db
OPERATOR = system("test")
CUSTOMER = replace(OPERATOR, is_operator=False)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPinned"


def refused(network: NetworkWish, **fields: Any) -> list[str]:
    """The fields that the refusal names; nothing is left behind."""
    with pytest.raises(InvalidInput) as refusal:
        add_pod(actor=OPERATOR, **{"slug": "ams1", "network": network, **fields})
    assert not Pod.objects.exists()
    assert not AuditEntry.objects.exists()
    assert all(error.message for error in refusal.value.errors)
    return [error.field for error in refusal.value.errors]


@pytest.mark.parametrize(
    ("network", "field"),
    [
        (NetworkWish(""), "cidr"),
        (NetworkWish("words"), "cidr"),
        (NetworkWish("10.0.0.0/33"), "cidr"),
        (NetworkWish("10.0.0.1/24"), "cidr"),
        (NetworkWish("fd00::/64"), "cidr"),
        (NetworkWish("10.0.0.1"), "cidr"),
        (NetworkWish("10.0.0.0/31"), "cidr"),
        (NetworkWish("255.255.255.255/32"), "cidr"),
        (NetworkWish("10.0.0.0/24", gateway="10.0.1.1"), "gateway"),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.0"), "gateway"),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.255"), "gateway"),
        (NetworkWish("10.0.0.0/24", gateway="here"), "gateway"),
        (NetworkWish("10.0.0.0/24", range_first="x"), "range_first"),
        (NetworkWish("10.0.0.0/24", range_last="10.0.0"), "range_last"),
        (NetworkWish("10.0.0.0/24", range_first="10.0.1.5"), "range_first"),
        (NetworkWish("10.0.0.0/24", range_first="10.0.0.0"), "range_first"),
        (NetworkWish("10.0.0.0/24", range_last="10.0.0.255"), "range_first"),
        (NetworkWish("10.0.0.0/24", range_first="10.0.0.9", range_last="10.0.0.5"), "range_first"),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.9"), "range_first"),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.1", range_first="10.0.0.1"), "range_first"),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.1", range_last="10.0.0.1"), "range_first"),
        (NetworkWish("10.0.0.0/24", bridge="br 0; reboot"), "bridge"),
        (NetworkWish("10.0.0.0/24", bridge="b" * 16), "bridge"),
        (NetworkWish("10.0.0.0/24", bridge=""), "bridge"),
    ],
)
def test_a_bad_network_names_its_field(network: NetworkWish, field: str) -> None:
    assert refused(network) == [field]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": ""}, "slug"),
        ({"slug": "Ams1"}, "slug"),
        ({"slug": "a" * 25}, "slug"),
        ({"cpu_overcommit": 0}, "cpu_overcommit"),
        ({"memory_overcommit": -1}, "memory_overcommit"),
        ({"disk_overcommit": 0.05}, "disk_overcommit"),
        ({"reserve_memory_mib": -1}, "reserve_memory_mib"),
        ({"location": "x" * 81}, "location"),
    ],
)
def test_a_bad_pod_names_its_field(fields: dict[str, Any], field: str) -> None:
    assert refused(NetworkWish("10.0.0.0/24"), **fields) == [field]


@pytest.mark.parametrize(
    ("wish", "first", "last", "size"),
    [
        (NetworkWish("10.0.0.0/24"), "10.0.0.1", "10.0.0.254", 254),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.1"), "10.0.0.2", "10.0.0.254", 253),
        (
            NetworkWish("10.0.0.0/24", gateway="10.0.0.1", range_first="10.0.0.7", range_last="10.0.0.7"),
            "10.0.0.7",
            "10.0.0.7",
            1,
        ),
        (NetworkWish("10.0.0.0/24", gateway="10.0.0.254", range_last="10.0.0.99"), "10.0.0.1", "10.0.0.99", 99),
        (NetworkWish("10.0.0.0/30", gateway="10.0.0.1"), "10.0.0.2", "10.0.0.2", 1),
    ],
)
def test_the_range_defaults_to_what_is_left(wish: NetworkWish, first: str, last: str, size: int) -> None:
    add_pod(actor=OPERATOR, slug="ams1", network=wish)
    network = Network.objects.get()
    assert (network.range_first, network.range_last, network.size) == (first, last, size)


def test_a_pod_is_audited_without_its_key() -> None:
    add_pod(actor=OPERATOR, slug="ams1", network=NetworkWish("10.0.0.0/24"), ssh_key="a secret")
    entry = AuditEntry.objects.get(action="pod.add")
    assert (entry.target_name, entry.changes["cidr"]) == ("ams1", "10.0.0.0/24")
    assert "secret" not in str(entry.changes)
    assert "secret" not in Pod.objects.get().sealed_ssh_key


def test_a_pod_that_exists_is_a_conflict() -> None:
    add_pod(actor=OPERATOR, slug="ams1", network=NetworkWish("10.0.0.0/24"))
    with pytest.raises(Conflict, match="slug: the pod ams1 exists"):
        add_pod(actor=OPERATOR, slug="ams1", network=NetworkWish("10.1.0.0/24"))


def test_customers_enrol_nothing(pod: Pod) -> None:
    host = Host.objects.all()[0]
    with pytest.raises(Forbidden):
        add_pod(actor=CUSTOMER, slug="ams1", network=NetworkWish("10.0.0.0/24"))
    with pytest.raises(Forbidden):
        add_host(actor=CUSTOMER, wish=wish_for(pod))
    with pytest.raises(Forbidden):
        reprobe_host(actor=CUSTOMER, host=host)


def wish_for(pod: Pod, **fields: Any) -> HostWish:
    """A simulated machine that is not enrolled yet."""
    SimulatedPod.named(pod.slug).add_host("h9", cpus=4, memory_mib=8192, disk_gib=100)
    return HostWish(**{"address": "h9", "pod": pod, "name": "h9", "driver": "simulated", "options": {"pod": pod.slug}, **fields})


def test_a_host_is_recorded_with_what_was_found(pod: Pod) -> None:
    host = add_host(actor=OPERATOR, wish=wish_for(pod))
    assert (host.pod, host.kinds, host.duty, host.reachable) == (pod, ["zone"], HostDuty.ACTIVE, True)
    assert host.facts["memory_mib"] == 8192
    assert host.boot_id == SimulatedPod.named(pod.slug).host("h9").state().boot_id
    assert host.probed_at is not None
    assert AuditEntry.objects.get(action="host.add", target_name="h9").changes["address"] == "h9"


def test_the_name_defaults_to_the_address(pod: Pod) -> None:
    assert add_host(actor=OPERATOR, wish=replace(wish_for(pod), name="")).name == "h-h9"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"driver": "vmware"}, "driver"),
        ({"name": "Nine"}, "name"),
        ({"name": "-nine"}, "name"),
        ({"name": "n" * 64}, "name"),
        ({"user": "u" * 33}, "user"),
    ],
)
def test_a_bad_host_names_its_field(pod: Pod, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        add_host(actor=OPERATOR, wish=wish_for(pod, **fields))
    assert [error.field for error in refusal.value.errors] == [field]
    assert Host.objects.count() == 2


def test_the_drivers_there_are_are_named(pod: Pod) -> None:
    with pytest.raises(InvalidInput, match="choose one of lxc, simulated"):
        probe_host(wish_for(pod, driver="vmware"))


def test_an_address_is_enrolled_once_until_its_host_is_retired(pod: Pod) -> None:
    first = add_host(actor=OPERATOR, wish=wish_for(pod))
    with pytest.raises(Conflict, match="address: h9:22 is enrolled as h9 in pod sim1"):
        add_host(actor=OPERATOR, wish=wish_for(pod, name="again"))
    assert add_host(actor=OPERATOR, wish=wish_for(pod, name="other-port", port=2222)).port == 2222
    Host.objects.filter(pk=first.pk).update(duty=HostDuty.MAINTENANCE)
    Host.objects.filter(pk=first.pk).update(duty=HostDuty.RETIRED)
    assert add_host(actor=OPERATOR, wish=wish_for(pod, name="again")).name == "again"


def test_a_name_is_used_once_in_a_pod(pod: Pod) -> None:
    with pytest.raises(InvalidInput, match=r"name: the pod sim1 has a host sim1-h1 \(active\); choose another") as refusal:
        add_host(actor=OPERATOR, wish=wish_for(pod, name="sim1-h1"))
    assert [error.field for error in refusal.value.errors] == ["name"]


def test_an_unusable_host_is_refused_with_each_package(pod: Pod) -> None:
    missing = (
        Missing("lxc-start", "apt-get install lxc", True),
        Missing("nft", "apt-get install nftables", True),
        Missing("btrfs", "slower clones", False),
    )
    wish = wish_for(pod)
    key, facts = probe_host(wish)
    with pytest.raises(HostUnusable) as refusal:
        add_host(actor=OPERATOR, wish=wish, found=(key, replace(facts, missing=missing)))
    assert refusal.value.detail == "h9 lacks lxc-start (apt-get install lxc); nft (apt-get install nftables)."
    assert [error.message for error in refusal.value.errors] == [
        "lxc-start: apt-get install lxc", "nft: apt-get install nftables",
    ]  # fmt: skip
    assert not Host.objects.filter(name="h9").exists()
    assert (
        add_host(actor=OPERATOR, wish=wish, found=(key, replace(facts, missing=missing[2:]))).facts["missing"][0]["what"]
        == "btrfs"
    )


def test_a_machine_that_does_not_answer_is_not_enrolled(pod: Pod) -> None:
    wish = wish_for(pod)
    SimulatedPod.named(pod.slug).host("h9").go_down()
    with pytest.raises(GearUnreachable):
        add_host(actor=OPERATOR, wish=wish)
    assert not Host.objects.filter(name="h9").exists()


def test_the_key_that_is_shown_is_pinned(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrol, "scan_host_key", lambda driver, address, port: f"{KEY} of {address}:{port}")
    assert add_host(actor=OPERATOR, wish=wish_for(pod)).host_key == f"{KEY} of h9:22"
    assert AuditEntry.objects.get(target_name="h9").changes["host_key"] == f"{KEY} of h9:22"


def test_a_key_that_the_operator_gives_is_not_asked_of_the_machine(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> str:
        raise AssertionError("the machine was asked for its key")

    monkeypatch.setattr(enrol, "scan_host_key", never)
    host = add_host(actor=OPERATOR, wish=wish_for(pod, host_key=KEY))
    assert host.host_key == KEY
    look_at(host)  # nor later: the pinned key counts


def test_a_changed_host_key_is_refused_clearly_and_changes_nothing(pod: Pod) -> None:
    host = add_host(actor=OPERATOR, wish=wish_for(pod, host_key=KEY))
    SimulatedPod.named(pod.slug).host("h9").fail_next("probe", HostKeyChanged)
    with pytest.raises(HostKeyChanged) as refusal:
        reprobe_host(actor=OPERATOR, host=host)
    assert refusal.value.title == "The machine's SSH host key has changed"
    host.refresh_from_db()
    assert host.host_key == KEY
    assert not AuditEntry.objects.filter(action="host.probe").exists()


def facts_of(**change: Any) -> HostFacts:
    plain = HostFacts(
        cpus=4, memory_mib=8192, disk_gib=100, store_kind="btrfs", cgroup_version=2, substrate="lxc 5", kernel="6.1",
        architecture="x86_64", clock_skew_ms=0, boot_id="b1",
    )  # fmt: skip
    return replace(plain, **change)


@pytest.mark.parametrize(
    ("pod_fields", "caps"),
    [
        ({"cpu_overcommit": 1.0, "reserve_memory_mib": 0, "reserve_disk_gib": 0}, (4_000, 8_192, 100)),
        ({"cpu_overcommit": 8.0, "reserve_memory_mib": 512, "reserve_disk_gib": 2}, (32_000, 7_680, 98)),
        (
            {
                "cpu_overcommit": 2.5,
                "memory_overcommit": 1.5,
                "disk_overcommit": 2.0,
                "reserve_memory_mib": 192,
                "reserve_disk_gib": 10,
            },
            (10_000, 12_000, 180),
        ),
        ({"reserve_memory_mib": 9_000, "reserve_disk_gib": 200}, (32_000, 0, 0)),
    ],
)
def test_capacity_is_the_machine_less_the_reserve_times_overcommit(
    pod_fields: dict[str, Any], caps: tuple[int, int, int]
) -> None:
    host = Host(pod=Pod(slug="p", **pod_fields))
    record_facts(host, facts_of())
    assert (host.cap_cpu_m, host.cap_memory_mib, host.cap_disk_gib) == caps


def test_capacity_never_falls_below_what_is_promised(pod: Pod) -> None:
    host = add_host(actor=OPERATOR, wish=wish_for(pod))
    Host.objects.filter(pk=host.pk).update(used_cpu_m=9_000, used_memory_mib=4_096, used_disk_gib=50)
    shrunk = reprobe_host(actor=OPERATOR, host=host, facts=facts_of(cpus=1, memory_mib=1_024, disk_gib=10))
    assert (shrunk.cap_cpu_m, shrunk.cap_memory_mib, shrunk.cap_disk_gib) == (9_000, 4_096, 50)
    grown = reprobe_host(actor=OPERATOR, host=host)
    assert (grown.cap_cpu_m, grown.cap_memory_mib, grown.cap_disk_gib) == (32_000, 7_680, 98)
    assert AuditEntry.objects.filter(action="host.probe").count() == 2


def test_a_probe_of_a_host_that_was_away_is_told_and_wakes_what_waits(pod: Pod) -> None:
    """As if a heartbeat had found it: the next one sees a reachable host and would not."""
    host = Host.objects.get(name="sim1-h1")
    Host.objects.filter(pk=host.pk).update(reachable=False, failed_heartbeats=3, boot_id="before")
    waiting = Operation.objects.create(
        kind="accelerator.start", target_type="accelerator", target_id=new_id(), state=OperationState.NEEDS_ATTENTION,
        error_code=GearUnreachable.code, lanes=[host.lane],
    )  # fmt: skip
    assert reprobe_host(actor=OPERATOR, host=host).reachable
    waiting.refresh_from_db()
    assert waiting.state == OperationState.QUEUED
    assert sorted(Event.objects.filter(target_id=host.pk).values_list("kind", flat=True)) == ["host.online", "host.restarted"]


def test_the_facts_are_those_of_the_driver(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedHypervisor, "probe", lambda _: facts_of(bridges=("br0", "br1")))
    host = add_host(actor=OPERATOR, wish=wish_for(pod))
    assert (host.facts["bridges"], host.facts["store_kind"], host.boot_id) == (["br0", "br1"], "btrfs", "b1")


def test_hosts_of_two_pods_may_share_a_name() -> None:
    for slug in ("one", "two"):
        SimulatedPod.forget(slug)
        pod = make_pod(slug, 0)
        assert add_host(actor=OPERATOR, wish=replace(wish_for(pod), port=2200 + len(Host.objects.all()))).name == "h9"


def test_enrolled_while_we_were_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    SimulatedPod.named("slow").add_host("h1")
    wish = HostWish(address="h1", pod=make_pod(), driver="simulated", options={"pod": "slow"})

    def look(asked: HostWish) -> tuple[str, HostFacts]:
        found = probe_host(asked)
        add_host(actor=OPERATOR, wish=replace(asked, name="faster"), found=found)
        return found

    monkeypatch.setattr(enrol, "probe_host", look)
    with pytest.raises(Conflict, match="enrolled as faster"):
        add_host(actor=OPERATOR, wish=wish)
    assert Host.objects.get(address="h1").name == "faster"


@pytest.mark.django_db(transaction=True)
def test_many_enrol_one_machine_at_once() -> None:
    name = f"race-{new_id()}"
    SimulatedPod.named(name).add_host("h1")
    wish = HostWish(address="h1", pod=make_pod(hosts=0), driver="simulated", options={"pod": name})
    found = probe_host(wish)

    def enroll(number: int) -> str:
        try:
            return add_host(actor=OPERATOR, wish=replace(wish, name=f"n{number}"), found=found).name
        except Conflict as refusal:
            return refusal.detail

    answers = race(enroll)
    (won,) = Host.objects.values_list("name", flat=True)
    assert sorted(answers, key=len)[0] == won
    assert sum(f"enrolled as {won}" in answer for answer in answers) == THREADS - 1
    assert AuditEntry.objects.filter(action="host.add").count() == 1
