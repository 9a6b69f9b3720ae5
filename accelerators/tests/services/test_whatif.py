"""What-if against the deed: answers are compared with what claims really do on the same rows, in transactions undone after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from accelerators.models import Accelerator
from accelerators.services.whatif import ask_what_if, offers
from accelerators.testing.make import ask_for, make_plan
from accelerators.testing.world import unequal_sums
from accounts.actor import Actor, system
from accounts.models import AccountLimit
from accounts.testing import actor_with, make_account, make_key
from mcp.errors import Forbidden, InvalidInput
from mcp.ids import new_id
from pods.errors import CapacityExhausted
from pods.gear.simulated import SimulatedPod
from pods.models import Allocation, Host, Pod
from pods.placement.board import largest_first
from pods.placement.request import Guest, Need, PlacementRequest
from pods.services.claim import claim, release
from pods.services.duty import set_duty
from pods.services.fleet import guests_of, load_fleet
from pods.services.sample_capacity import sample_capacity
from pods.services.whatif_question import Question
from pods.states import HostDuty
from pods.testing import add_simulated_host, make_image, make_pod

pytestmark = pytest.mark.django_db
UNIT = 256
SIZES = (1, 1, 2)
# Units of memory on each host of each pod; the pods' reserve comes on top.
PODS = {"ams1": (6, 6, 5, 4), "ams2": (6, 3, 5), "nyc1": (4, 4)}


@pytest.fixture
def fleet(db: Any) -> Iterator[list[Pod]]:
    """Three pods of small hosts, about two thirds full of guests of two sizes; each host of ams1 holds one of a group that keeps
    apart. The sizes and the group are such that how many find a place does not hang on how ties are broken.
    """
    make_image()
    make_plan("zone-256m")
    pods = [_pod(slug, rooms) for slug, rooms in PODS.items()]
    for number, host in enumerate(Host.objects.order_by("pod__slug", "name")):
        for place in range(3):
            with transaction.atomic(), suppressed():
                group = "apart" if place == 0 and host.pod.slug == "ams1" else ""
                _claim(SIZES[(number + place) % 3], host.pod.slug, group, exactly=host)
    yield pods
    for slug in PODS:
        SimulatedPod.forget(slug)


def _pod(slug: str, rooms: Sequence[int]) -> Pod:
    SimulatedPod.forget(slug)
    pod = make_pod(slug, hosts=0)
    for number, units in enumerate(rooms, start=1):
        add_simulated_host(pod, f"{slug}-h{number}", memory_mib=512 + units * UNIT)
    return pod


@contextmanager
def suppressed() -> Iterator[None]:
    try:
        yield
    except CapacityExhausted:
        return


def _claim(units: int, pod: str | None, group: str, *, exactly: Host) -> None:
    """A guest on one host and no other."""
    others = frozenset(str(pk) for pk in Host.objects.exclude(pk=exactly.pk).values_list("pk", flat=True))
    request = PlacementRequest(
        need=Need(100, units * UNIT, 1), kind="zone", pod=pod, spread="host" if group else "none", excluded=others
    )
    claim(request, holders=[new_id()], account_id=new_id(), group=group)


def ask(**question: Any) -> dict[str, Any]:
    return ask_what_if(actor=system("test"), question=Question(**question))


@contextmanager
def a_copy() -> Iterator[None]:
    """Whatever is done inside is undone."""
    with transaction.atomic():
        yield
        assert not unequal_sums()
        transaction.set_rollback(True)


def really_move(guests: list[Guest], *, anywhere: bool) -> Counter[str]:
    """Release them all, then claim for each, the bulkiest first. Answers how many went to which pod; "" for none."""
    pods = dict(Host.objects.values_list("pk", "pod__slug"))
    homes = {row.holder_id: row for row in Allocation.objects.filter(holder_id__in=[guest.id for guest in guests])}
    for holder in homes:
        release(holder)
    went: Counter[str] = Counter()
    for guest in guests:
        old = next(row for holder, row in homes.items() if str(holder) == guest.id)
        request = PlacementRequest(
            need=guest.need, kind=guest.kind, pod=None if anywhere else pods[old.host_id], spread=guest.spread,
            spread_limit=guest.spread_limit,
        )  # fmt: skip
        try:
            with transaction.atomic():
                got = claim(request, holders=[new_id()], account_id=old.account_id, group=old.group).allocations[0]
            went[pods[got.host_id]] += 1
        except CapacityExhausted:
            went[""] += 1
    return went


def bulkiest_first(**which: Any) -> list[Guest]:
    whole = load_fleet()
    return largest_first(guests_of(whole, Allocation.objects.filter(**which)), whole)


def take_out(**which: Any) -> None:
    for host in Host.objects.filter(**which):
        set_duty(actor=system("test"), host=host, duty=HostDuty.DRAINING, reason="gone")


@pytest.mark.parametrize("slug", PODS)
def test_losing_any_pod_is_what_claims_really_find(fleet: list[Pod], slug: str) -> None:
    Allocation.objects.update(group="", spread="none", group_slot=None)
    told = ask(lose_pod=[slug])
    with a_copy():
        guests = bulkiest_first(pod__slug=slug)
        take_out(pod__slug=slug)
        went = really_move(guests, anywhere=True)
        free = free_memory(but=slug)
    assert told["lost"]["guests"] == len(guests)
    assert told["lost"]["placed"] == len(guests) - went[""]
    assert sum(told["lost"]["reasons"].values()) == went[""]
    assert told["fits"] == (went[""] == 0)
    assert sum(pod["memory_mib"]["free"] for pod in told["pods"]) == free


def free_memory(but: str) -> int:
    hosts = Host.objects.filter(duty=HostDuty.ACTIVE).exclude(pod__slug=but)
    return sum(host.cap_memory_mib - host.used_memory_mib for host in hosts)


@pytest.mark.parametrize("verb", ["lose_host", "drain"])
def test_losing_or_draining_any_host_is_what_claims_really_find(fleet: list[Pod], verb: str) -> None:
    found = set()
    for host in Host.objects.select_related("pod").order_by("name"):
        told = ask(**{verb: [host.name]})
        part = told["lost" if verb == "lose_host" else "drained"]
        with a_copy():
            guests = bulkiest_first(host=host)
            take_out(pk=host.pk)
            went = really_move(guests, anywhere=False)
        assert part["guests"] == len(guests), host
        assert part["placed"] == len(guests) - went[""], host
        assert part["pods"] == {pod: n for pod, n in went.items() if pod}, host
        assert {one["host"] for one in part["left_over"]} <= {host.name}
        found.add(told["fits"])
    assert found == {True, False}, "the fleet shows both answers"


def test_draining_several_hosts_at_once_is_what_claims_really_find(fleet: list[Pod]) -> None:
    names = ["ams1-h1", "ams1-h4", "ams2-h2", "nyc1-h1"]
    told = ask(drain=names)
    with a_copy():
        guests = bulkiest_first(host__name__in=names)
        take_out(name__in=names)
        went = really_move(guests, anywhere=False)
    assert (told["drained"]["guests"], told["drained"]["placed"]) == (len(guests), len(guests) - went[""])
    assert told["drained"]["pods"] == {pod: n for pod, n in went.items() if pod}


@pytest.fixture
def customer(fleet: list[Pod]) -> Actor:
    """Somebody without limits."""
    account = make_account("boundless")
    for resource in ("accelerators", "memory_mib", "vcpus", "disk_gib"):
        AccountLimit.objects.create(account=account, resource=resource, limit=None)
    return actor_with(make_key(account))


@pytest.mark.parametrize("where", [{}, {"pod": "ams2"}])
def test_more_of_a_plan_is_what_can_really_be_made(customer: Actor, where: dict[str, str]) -> None:
    told = ask(plan="zone-256m", count=100, **where)
    with a_copy():
        made = ask_for(customer, "web", count=100, as_many_as_fit=True, **where)
        assert len(made.accelerators) == told["more"]["placed"]
        went = Counter(row.pod.slug for row in Accelerator.objects.select_related("pod"))
        assert told["more"]["pods"] == dict(went)
        for key in ("evaluated", "removed", "short", "asked", "placed"):
            assert told["more"]["explanation"][key] == made.placement.for_operator()[key], key
        with pytest.raises(CapacityExhausted):
            ask_for(customer, "one-more", **where)
    assert (told["fits"], told["more"]["ends_first"], told["ends_first"]) == (False, "memory", "memory")


def test_added_hosts_really_hold_that_many(customer: Actor) -> None:
    told = ask(add_hosts=2, like="ams1-h1", plan="zone-256m", count=100)
    now = ask(plan="zone-256m", count=100)
    assert told["more"]["placed"] == now["more"]["placed"] + 2 * 6
    with a_copy():
        for number in (8, 9):
            add_simulated_host(Pod.objects.get(slug="ams1"), f"ams1-h{number}", memory_mib=512 + 6 * UNIT)
        made = ask_for(customer, "web", count=100, as_many_as_fit=True)
        assert len(made.accelerators) == told["more"]["placed"]


def test_all_at_once_is_what_is_really_so(customer: Actor) -> None:
    """Lose a host, drain another, add one, and fill the rest."""
    told = ask(lose_host=["ams1-h2"], drain=["ams2-h2"], add_hosts=1, like="ams1-h1", plan="zone-256m", count=100)
    with a_copy():
        lost, drained = bulkiest_first(host__name="ams1-h2"), bulkiest_first(host__name="ams2-h2")
        add_simulated_host(Pod.objects.get(slug="ams1"), "ams1-h9", memory_mib=512 + 6 * UNIT)
        take_out(name="ams1-h2")
        take_out(name="ams2-h2")
        went = really_move(lost, anywhere=False)
        moved = really_move(drained, anywhere=False)
        made = ask_for(customer, "web", count=100, as_many_as_fit=True)
        assert told["lost"]["placed"] == len(lost) - went[""]
        assert told["drained"]["placed"] == len(drained) - moved[""]
        assert told["more"]["placed"] == len(made.accelerators)


def test_plain_room_by_plan_is_what_can_really_be_made(customer: Actor) -> None:
    told = ask()
    room = sum(pod["plans"]["zone-256m"] for pod in told["pods"])
    with a_copy():
        assert len(ask_for(customer, "web", count=100, as_many_as_fit=True).accelerators) == room
    assert told["sentence"].startswith("Nothing is supposed: 9 hosts")
    assert [one["pod"] for one in told["headroom"]] == sorted(PODS)


def test_headroom_is_what_losing_each_host_says(fleet: list[Pod]) -> None:
    """Hosts that N+1 says are absorbed are those whose loss fits; here best fit and the planner's choice agree."""
    for one in ask()["headroom"]:
        names = Host.objects.filter(pod__slug=one["pod"]).values_list("name", flat=True)
        lost = {name: ask(lose_host=[name])["lost"] for name in names}
        assert one["absorbed"] == sum(part["placed"] == part["guests"] for part in lost.values())
        assert {host["host"]: host["left_over"] for host in one["not_absorbed"]} == {
            name: part["guests"] - part["placed"] for name, part in lost.items() if part["placed"] < part["guests"]
        }


def test_n_plus_one_has_its_say_about_more_and_none_about_the_lost(customer: Actor) -> None:
    """nyc1-h2 is emptied: what nyc1-h1 holds fits there, and anything more would be in its way."""
    Pod.objects.filter(slug="nyc1").update(n_plus_one=True)
    for holder in Allocation.objects.filter(host__name="nyc1-h2").values_list("holder_id", flat=True):
        release(holder)
    told = ask(plan="zone-256m", count=20, pod="nyc1")
    assert (told["more"]["placed"], told["more"]["explanation"]["removed"]["n_plus_one"]) == (0, 1)
    with pytest.raises(CapacityExhausted) as caught:
        ask_for(customer, "web", count=20, as_many_as_fit=True, pod="nyc1")
    assert caught.value.context["operator"]["removed"] == told["more"]["explanation"]["removed"]
    Pod.objects.filter(slug="nyc1").update(n_plus_one=False)
    assert ask(plan="zone-256m", count=20, pod="nyc1")["more"]["placed"] == 4
    assert ask(lose_host=["nyc1-h1"])["fits"], "the reserve is there to be used"


def test_guests_left_over_are_named_with_their_account(customer: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_for(customer, "web", count=100, as_many_as_fit=True)
    told = ask(lose_pod=["ams1"])
    named = {one["guest"]["name"]: one["guest"] for one in told["lost"]["left_over"]}
    row = Accelerator.objects.filter(pod__slug="ams1", name__in=named).first()
    assert row is not None
    assert named[row.name] == {"id": str(row.pk), "name": row.name, "account": "boundless"}
    assert len(told["lost"]["left_over"]) <= 20 < told["lost"]["guests"] or told["lost"]["guests"] <= 20


def test_asking_writes_nothing_and_wants_an_operator(customer: Actor, django_assert_max_num_queries: Any) -> None:
    before = list(Host.objects.order_by("pk").values())
    with django_assert_max_num_queries(12) as captured:
        ask(lose_pod=["nyc1"], lose_host=["ams1-h1"], drain=["ams2-h1"], add_hosts=1, like="ams1-h2", plan="zone-256m", count=3)
    assert all(query["sql"].startswith("SELECT") for query in captured.captured_queries)
    assert list(Host.objects.order_by("pk").values()) == before
    with pytest.raises(Forbidden):
        ask_what_if(actor=customer, question=Question())


def test_the_runway_is_told_with_the_room_that_is_left_then(fleet: list[Pod]) -> None:
    sample_capacity()
    [ams1] = [pod["runway"] for pod in ask()["pods"] if pod["pod"] == "ams1"]
    assert (ams1["enough_history"], ams1["days"], ams1["samples"]) == (False, None, 1)
    assert ams1["sentence"].startswith("Not enough history: 1 samples over 0 hours")


@pytest.mark.parametrize(
    ("question", "field", "sentence"),
    [
        ({"lose_host": ["nobody"]}, "lose_host", "there is no host 'nobody'"),
        ({"lose_host": ["nyc1/ams1-h1"]}, "lose_host", "there is no host"),
        ({"drain": ["x" * 500]}, "drain", "there is no host"),
        ({"lose_pod": ["mars1"]}, "lose_pod", "there are: ams1, ams2, nyc1"),
        ({"headroom": ["mars1"]}, "headroom", "there is no pod 'mars1'"),
        ({"add_hosts": 3}, "like", "say which host"),
        ({"like": "ams1-h1"}, "add_hosts", "say how many"),
        ({"add_hosts": -1, "like": "ams1-h1"}, "add_hosts", "say 1 to"),
        ({"add_hosts": 10_001, "like": "ams1-h1"}, "add_hosts", "say 1 to"),
        ({"plan": "zone-9000g", "count": 1}, "plan", "there is no plan 'zone-9000g'"),
        ({"plan": "zone-256m"}, "count", "say how many"),
        ({"plan": "zone-256m", "count": 10_001}, "count", "1 to 10000"),
        ({"count": 5}, "plan", "say of which plan"),
        ({"pod": "ams1"}, "plan", "say of which plan"),
        ({"plan": "zone-256m", "count": 1, "pod": "mars1"}, "pod", "there is no pod"),
        ({"plan": "zone-256m", "count": 1, "location": "Mars"}, "location", "no pod is at 'Mars'"),
        ({"lose_host": ["ams1-h1"], "drain": ["ams1-h1"]}, "drain", "not both"),
        ({"lose_pod": ["ams1"], "add_hosts": 1, "like": "ams1-h1"}, "like", "its pod is lost"),
        ({"lose_pod": ["ams1"], "headroom": ["ams1"]}, "headroom", "that pod is lost"),
        ({"lose_pod": ["ams1"], "plan": "zone-256m", "count": 1, "pod": "ams1"}, "pod", "that pod is lost"),
        ({"lose_host": [f"h{n}" for n in range(501)]}, "lose_host", "at most 500"),
    ],
)
def test_each_fault_names_its_field(fleet: list[Pod], question: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask(**question)
    assert field in [error.field for error in caught.value.errors]
    assert sentence in caught.value.detail


def test_hosts_are_known_by_name_address_pod_and_id_and_two_of_a_name_are_told_apart(fleet: list[Pod]) -> None:
    host = Host.objects.get(name="ams1-h1")
    answers = [ask(lose_host=[name]) for name in ("ams1-h1", "ams1/ams1-h1", str(host.pk))]
    assert answers[0] == answers[1] == answers[2]
    Host.objects.filter(name="nyc1-h1").update(name="ams1-h1")
    with pytest.raises(InvalidInput, match="ams1/ams1-h1, nyc1/ams1-h1; say which"):
        ask(lose_host=["ams1-h1"])
    assert ask(lose_host=["ams1/ams1-h1"])["lost"] == answers[0]["lost"]


def test_pods_with_many_guests_are_told_of_only_when_named(fleet: list[Pod], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pods.services.whatif.MOST_GUESTS", 15)
    told = ask()
    assert told["headroom_left_out"]
    assert {one["pod"] for one in told["headroom"]} | set(told["headroom_left_out"]) == set(PODS)
    slug = told["headroom_left_out"][0]
    assert [one["pod"] for one in ask(headroom=[slug])["headroom"]] == [slug]


def test_plans_that_are_no_longer_sold_are_no_offer(fleet: list[Pod]) -> None:
    make_plan("zone-old", active=False)
    assert "zone-old" not in [offer.name for offer in offers()]
    with pytest.raises(InvalidInput, match="there is no plan 'zone-old'"):
        ask(plan="zone-old", count=1)
