"""What one look at a host is taken to mean; each rule of the module's list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accelerators.planning.reconcile import Report, WantedGuest, compare
from pods.gear.hypervisor.base import GuestObservation, Inventory, Limits, Power

LOOK = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMITS = Limits(memory_mib=256, vcpus=1.0, disk_gib=5.0, processes=256)
WANTED = WantedGuest("id-1", "web", Power.RUNNING, LIMITS, busy=False, settled_at=LOOK - timedelta(minutes=1))
SEEN = GuestObservation("mcp-id-1", "id-1", Power.RUNNING, LIMITS, 1, ("10.0.0.2",), fence=1, guarded=True)
FOREIGN = GuestObservation("by-hand", None, Power.STOPPED, None, None, ("10.0.0.9",), fence=0)


def look(*seen: GuestObservation, wanted: WantedGuest | None = WANTED) -> Report:
    return compare([] if wanted is None else [wanted], Inventory(LOOK, seen, ()))


def kinds(report: Report) -> list[str]:
    return [difference.kind for difference in report.differences]


def test_as_wanted_is_no_difference_and_a_fresh_observation() -> None:
    assert look(SEEN) == Report((), {"id-1": Power.RUNNING}, (), ())


@pytest.mark.parametrize("wanted", [Power.RUNNING, Power.STOPPED])
@pytest.mark.parametrize("found", list(Power))
def test_power(wanted: Power, found: Power) -> None:
    report = look(replace(SEEN, power=found, guarded=None), wanted=replace(WANTED, power=wanted))
    assert kinds(report) == ([] if wanted is found else ["power"])
    assert report.powers == {"id-1": found}
    for difference in report.differences:
        assert (difference.guest_name, difference.guest_id) == ("mcp-id-1", "id-1")
        assert difference.wanted == {"power": wanted.value}
        assert difference.found == {"power": found.value}
        assert difference.sentence == f"web is {found.value}; it should be {wanted.value}."


def test_missing_is_believed_at_the_second_look_only() -> None:
    first = look()
    assert (kinds(first), first.first_missing, first.powers) == ([], ("id-1",), {})
    second = look(wanted=replace(WANTED, missing_since=LOOK - timedelta(seconds=30)))
    assert (kinds(second), second.first_missing) == (["missing"], ())
    assert second.differences[0].guest_id == "id-1"
    assert "web is gone" in second.differences[0].sentence


def test_what_was_missing_and_is_back_is_seen_again() -> None:
    report = look(SEEN, wanted=replace(WANTED, missing_since=LOOK - timedelta(seconds=30)))
    assert (kinds(report), report.seen_again) == ([], ("id-1",))


def test_unknown_guests_are_told_apart_by_their_mark() -> None:
    report = look(SEEN, replace(SEEN, name="mcp-id-2", guest_id="id-2"), FOREIGN)
    ours, theirs = report.differences
    assert (ours.kind, ours.guest_name, ours.guest_id, ours.found["guest_id"]) == ("unknown_guest", "mcp-id-2", None, "id-2")
    assert "belongs to no accelerator" in ours.sentence
    assert (theirs.kind, theirs.guest_name, theirs.guest_id) == ("unknown_guest", "by-hand", None)
    assert "not made by MCP" in theirs.sentence
    assert theirs.found == {"power": "stopped", "addresses": ["10.0.0.9"], "guest_id": None}
    assert set(report.powers) == {"id-1"}


def test_two_foreign_guests_are_two_findings() -> None:
    report = look(FOREIGN, replace(FOREIGN, name="by-hand-2"), wanted=None)
    assert [difference.guest_name for difference in report.differences] == ["by-hand", "by-hand-2"]


@pytest.mark.parametrize(
    ("found", "off"),
    [
        (replace(LIMITS, memory_mib=255), set()),  # within 2 %: kernels round
        (replace(LIMITS, memory_mib=250), {"memory_mib"}),
        (replace(LIMITS, memory_mib=512), {"memory_mib"}),
        (replace(LIMITS, vcpus=1.015), set()),
        (replace(LIMITS, vcpus=1.5), {"vcpus"}),
        (replace(LIMITS, disk_gib=5.05), set()),
        (replace(LIMITS, disk_gib=6.0), {"disk_gib"}),
        (replace(LIMITS, processes=0), {"processes"}),
        (Limits(512, 2.0, 10.0, 512), {"memory_mib", "vcpus", "disk_gib", "processes"}),
    ],
)
def test_limits_with_tolerance(found: Limits, off: set[str]) -> None:
    report = look(replace(SEEN, limits=found))
    assert kinds(report) == (["limits"] if off else [])
    for difference in report.differences:
        assert set(difference.wanted) == set(difference.found) == off
        assert all(name in difference.sentence for name in off)


def test_limits_that_could_not_be_read_are_no_finding() -> None:
    assert kinds(look(replace(SEEN, limits=None))) == []


@pytest.mark.parametrize(("guarded", "wanted"), [(True, []), (None, []), (False, ["unguarded"])])
def test_only_ports_seen_without_rules_are_a_finding(guarded: bool | None, wanted: list[str]) -> None:
    report = look(replace(SEEN, guarded=guarded))
    assert kinds(report) == wanted
    for difference in report.differences:
        assert (difference.guest_id, difference.wanted["guarded"], difference.found["guarded"]) == ("id-1", True, False)
        assert "web" in difference.sentence


def test_everything_wrong_at_once_is_a_finding_each() -> None:
    seen = replace(SEEN, limits=replace(LIMITS, memory_mib=512), guarded=False)
    assert kinds(look(seen, wanted=replace(WANTED, power=Power.STOPPED))) == ["power", "limits", "unguarded"]


WRONG = replace(SEEN, power=Power.STOPPED, limits=replace(LIMITS, memory_mib=1), guarded=False)
BUSY = replace(WANTED, busy=True)
LATER = replace(WANTED, settled_at=LOOK + timedelta(milliseconds=1))


@pytest.mark.parametrize("wanted", [BUSY, LATER, replace(WANTED, settled_at=LOOK)])
@pytest.mark.parametrize("seen", [(WRONG,), ()])
def test_what_is_busy_or_settled_since_the_look_is_left_alone(wanted: WantedGuest, seen: tuple[GuestObservation, ...]) -> None:
    assert look(*seen, wanted=wanted) == Report((), {}, (), ())
    was_missing = replace(wanted, missing_since=LOOK - timedelta(minutes=5))
    assert look(*seen, wanted=was_missing) == Report((), {}, (), ())


def test_what_left_by_our_own_hand_since_the_look_is_not_unknown() -> None:
    inventory = Inventory(LOOK, (SEEN, FOREIGN), ())
    assert [difference.guest_name for difference in compare([], inventory, {"id-1"}).differences] == ["by-hand"]
