"""The directory store: what several processes see, what a call writes, and what a killed one leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pods.gear.hypervisor.base import Limits
from pods.gear.simulated import DirectoryStore, SimulatedHypervisor, SimulatedPod
from pods.gear.simulated.hostfile import CHANGES_KEPT, HostFile, apply, difference, picture
from pods.gear.simulated.state import Fault, GuestState, HostState
from pods.tests.gear.simulated.test_faults import IMAGE, spec


def guest(name: str, **fields: object) -> GuestState:
    return GuestState(name=name, guest_id=name, limits=Limits(256, 1.0, 5.0, 128), **fields)  # type: ignore[arg-type]  # by name


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    made = DirectoryStore(tmp_path)
    made.add(HostState(name="h1"))
    return made


def lines(tmp_path: Path) -> list[bytes]:
    return (tmp_path / "h1.json").read_bytes().splitlines()


def test_what_one_store_changes_the_other_sees(store: DirectoryStore, tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path)
    for number in range(1, 4):
        with store.change("h1") as state:
            state.guests[f"a{number}"] = guest(f"a{number}", listening=[22, 80])
            state.fences[f"a{number}"] = number
            state.delays["start"] = number / 10
        with other.change("h1") as state:
            assert list(state.guests) == [f"a{n}" for n in range(1, number + 1)]
            assert state.guests[f"a{number}"] == guest(f"a{number}", listening=[22, 80])
            assert (state.fences[f"a{number}"], state.delays) == (number, {"start": number / 10})
            state.guests[f"a{number}"].listening.append(443)
            state.faults.append(Fault("create", "GearRefused", f"no {number}", after_effect=False))
    with store.change("h1") as state:
        assert [found.listening for found in state.guests.values()] == [[22, 80, 443]] * 3
        assert [fault.detail for fault in state.faults] == ["no 1", "no 2", "no 3"]
        del state.guests["a1"], state.fences["a1"]
        state.take_fault("create")
        state.guests["a2"].first_boot = (3, "out")
    with other.change("h1") as state:
        assert (list(state.guests), list(state.fences), len(state.faults)) == (["a2", "a3"], ["a2", "a3"], 2)
        assert state.guests["a2"].first_boot == (3, "out")


def test_a_change_that_raises_leaves_nothing_in_memory_either(store: DirectoryStore) -> None:
    with store.change("h1") as state:
        state.guests["kept"] = guest("kept")

    def go_wrong() -> None:
        with store.change("h1") as state:
            state.guests["kept"].running = True
            state.guests["lost"] = guest("lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        go_wrong()
    with store.change("h1") as state:
        assert list(state.guests) == ["kept"]
        assert not state.guests["kept"].running


def test_a_call_writes_what_it_changes_and_not_the_whole_host(tmp_path: Path) -> None:
    pod = SimulatedPod(DirectoryStore(tmp_path))
    pod.add_host("h1")
    hypervisor = SimulatedHypervisor(pod, "h1")
    hypervisor.ensure_image(IMAGE)
    for number in range(1, 21):
        hypervisor.create(spec(number), fence=1)
    before = lines(tmp_path)
    hypervisor.start(spec(7).guest_id, fence=2)
    hypervisor.heartbeat()
    hypervisor.inventory()
    hypervisor.start(spec(7).guest_id, fence=2)  # is running: nothing to write
    added = lines(tmp_path)[len(before) :]
    assert lines(tmp_path)[: len(before)] == before
    (change,) = [json.loads(line) for line in added]
    assert list(change["guests"]) == [f"mcp-{spec(7).guest_id}"]
    assert change["fences"] == {spec(7).guest_id: 2}
    assert set(change) == {"guests", "fences"}


def test_half_a_line_never_happened(store: DirectoryStore, tmp_path: Path) -> None:
    with store.change("h1") as state:
        state.guests["a"] = guest("a")
    path = tmp_path / "h1.json"
    with path.open("ab") as file:
        file.write(b'{"guests":{"torn":{"name"')
    with store.change("h1") as state:
        assert list(state.guests) == ["a"]
    with DirectoryStore(tmp_path).change("h1") as state:
        assert list(state.guests) == ["a"]
        state.guests["b"] = guest("b")
    assert b"torn" not in path.read_bytes()
    with store.change("h1") as state:
        assert list(state.guests) == ["a", "b"]


def test_the_file_is_written_anew_now_and_then_and_others_notice(store: DirectoryStore, tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path)
    for number in range(CHANGES_KEPT + 10):
        with store.change("h1") as state:
            state.fences["g"] = number
        if number % 50 == 0:
            with other.change("h1") as state:
                assert state.fences["g"] == number
    assert len(lines(tmp_path)) < 20
    with other.change("h1") as state:
        assert state.fences["g"] == CHANGES_KEPT + 9


def test_a_file_from_before_there_were_changes_is_read(tmp_path: Path) -> None:
    old = HostState(name="h1", guests={"a": guest("a", first_boot=(0, "hello"))})
    (tmp_path / "h1.json").write_text(json.dumps(old.to_plain()), encoding="utf-8")
    store = DirectoryStore(tmp_path)
    assert store.names() == ["h1"]
    with store.change("h1") as state:
        assert state == old
        state.guests["b"] = guest("b")
    for reader in (store, DirectoryStore(tmp_path)):
        with reader.change("h1") as state:
            assert list(state.guests) == ["a", "b"]


def test_a_state_handed_out_is_a_copy(tmp_path: Path) -> None:
    host = SimulatedPod(DirectoryStore(tmp_path)).add_host("h1")
    host.state().images.append("made up")
    assert host.state().images == []


def test_difference_and_apply_are_two_sides_of_one_thing() -> None:
    left = HostState(name="h1", guests={"a": guest("a"), "b": guest("b")}, fences={"a": 1}, boot_id="x")
    right = HostState.from_plain(json.loads(json.dumps(left.to_plain())))
    before = picture(left)
    assert difference(before, left) == {}
    left.guests["a"].running = True
    left.guests["c"] = guest("c")
    del left.guests["b"]
    left.images.append("i")
    left.down = True
    change = json.loads(json.dumps(difference(before, left)))
    assert set(change) == {"guests", "images", "down"}
    apply(right, change)
    assert right == left


def test_a_host_that_is_not_there(store: DirectoryStore, tmp_path: Path) -> None:
    with pytest.raises(KeyError), store.change("h2"):
        pass
    with pytest.raises(KeyError), store.change("../h1"):
        pass
    with pytest.raises(FileNotFoundError):
        HostFile(tmp_path / "h2.json").load("")
