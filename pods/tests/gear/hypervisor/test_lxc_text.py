"""What is sent to and read from a host, without one: configuration, frames, observations, probes, exit codes."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pods.gear import errors
from pods.gear.errors import GearError, GearRefused
from pods.gear.hypervisor.base import Cargo, GuestObservation, GuestSpec, ImageRef, Limits, Nic, Power
from pods.gear.hypervisor.lxc import parse, probe
from pods.gear.hypervisor.lxc.bundle import LOST, bundle, frames
from pods.gear.hypervisor.lxc.driver import LxcHypervisor
from pods.gear.hypervisor.lxc.render import RawLimits, configuration, files
from pods.gear.transport import Command, CommandResult, Output

ID = "5a3c4d0e-0000-4000-8000-0123456789ab"
NAME = f"mcp-{ID}"
STORE = "/var/lib/mcp/store"
SPEC = GuestSpec(
    guest_id=ID,
    hostname="web-1",
    image=ImageRef("debian-12", "20261123", "b" * 64, 1, Path("/x")),
    limits=Limits(256, 0.25, 2.0, 128),
    uid_slot=3,
    nics=(Nic("02:00:00:00:00:01", "10.0.0.5", 24, "10.0.0.1", "br0"),),
    resolvers=("10.0.0.53",),
    search_domain="demo.example",
    ssh_keys=("ssh-ed25519 AAAA a",),
    user_script="#!/bin/sh\nexit 0\n",
)


def taken(text: str, tags: str) -> list[str]:
    """The lines a host takes."""
    return [line[2:] for line in text.splitlines() if line[0] in tags]


class TestConfiguration:
    text = configuration(SPEC, zone=f"{STORE}/zones/{ID}", library=f"{STORE}/lib/x")

    def test_every_line_has_a_tag(self) -> None:
        assert all(line[0] in "=1m2sAa" and line[1] == " " for line in self.text.splitlines())

    def test_cgroup_v1_and_v2_hosts_take_their_own(self) -> None:
        old, new = taken(self.text, "=1ma"), taken(self.text, "=2sA")
        assert "lxc.cgroup.memory.memsw.limit_in_bytes = 268435456" in old
        assert "lxc.cgroup.cpu.cfs_quota_us = 25000" in old
        assert "lxc.cgroup2.cpu.max = 25000 100000" in new
        assert "lxc.cgroup2.memory.swap.max = 0" in new
        assert not [line for line in old if "cgroup2" in line]
        assert not [line for line in new if "lxc.cgroup." in line]

    def test_apparmor_is_off_only_where_the_kernel_has_none(self) -> None:
        assert "lxc.apparmor.profile = generated" in taken(self.text, "=2A")
        assert "lxc.apparmor.profile = unconfined" in taken(self.text, "=1a")

    def test_it_is_unprivileged_guarded_and_filtered(self) -> None:
        lines = taken(self.text, "=")
        assert "lxc.idmap = u 0 1196608 65536" in lines
        assert "lxc.rootfs.options = idmap=container" in lines
        assert f"lxc.seccomp.profile = {STORE}/lib/x/seccomp" in lines
        assert f"lxc.net.0.script.up = /bin/sh {STORE}/lib/x/port.sh 02:00:00:00:00:01 10.0.0.5" in lines

    def test_files(self) -> None:
        texts = dict(files(SPEC, zone="/z", library="/l"))
        assert texts["hosts"].startswith(b"127.0.0.1 localhost\n10.0.0.5 web-1.demo.example web-1\n")
        assert texts["resolv.conf"] == b"search demo.example\nnameserver 10.0.0.53\n"
        assert texts["user-script"] == SPEC.user_script.encode()
        bare = replace(SPEC, user_script="", resolvers=(), nics=(), search_domain="")
        assert set(dict(files(bare, zone="/z", library="/l"))) == {"config", "hostname", "hosts", "authorized_keys"}


@given(
    st.integers(8, 2**20),
    st.integers(1, 4096 * 8).map(lambda eighths: eighths / 8),
    st.integers(1, 2**16).map(lambda quarters: quarters / 4),
    st.integers(8, 2**22),
)
def test_raw_limits_stay_within_what_kernels_take(memory: int, vcpus: float, disk: float, processes: int) -> None:
    raw = RawLimits.of(Limits(memory, vcpus, disk, processes))
    assert raw.quota_us >= 1_000
    assert 2 <= raw.shares <= 262_144
    assert 1 <= raw.weight <= 10_000
    assert raw.disk_bytes % 4_096 == 0


def answer(*, running: bool = True, live: dict[str, str] | None = None, link: str = "L") -> str:
    """What a host prints about one guest."""
    payload = {
        "memory/{}/memory.limit_in_bytes": "268435456",
        "cpu/{}/cpu.cfs_quota_us": "25000",
        "cpu/{}/cpu.cfs_period_us": "100000",
        "pids/{}/pids.max": "128",
        "pids/{}/pids.current": "7",
        "freezer/{}/freezer.state": "THAWED",
    }
    payload.update(live or {})
    config = taken(TestConfiguration.text, "=1ma")
    lines = ["@files", *(f"/var/lib/lxc/{NAME}/config:{line}" for line in config if "include" not in line)]
    if running:
        lines += [f"/sys/fs/cgroup/{key.format('lxc.payload.' + NAME)}:{value}" for key, value in payload.items()]
        lines.append(f"/proc/net/unix:0000: 00000002 00000000 00010000 0001 01 999 @/var/lib/lxc/{NAME}/command")
    lines += [f"{STORE}/fences/{ID}:4", f"{STORE}/fences/{ID}:12", f"{STORE}/fences/{ID}:9", f"{STORE}/zones/{ID}/qgroup:260"]
    lines += ["@zones", f"{STORE}/zones/{ID}/", "@links", f"{link} /var/lib/lxc/{NAME}/"]
    lines += ["@ports"]
    lines += [
        "@disk",
        "kind btrfs",
        "Qgroupid Referenced",
        "-------- ----",
        "0/5 1 1 none <toplevel>",
        "0/260 111 22 2147483648 x",
    ]
    return "\n".join([*lines, "@images", f"{STORE}/images/a-1-b/", "@end", ""])


def seen(text: str) -> GuestObservation:
    dump = parse.parse(text, STORE)
    return parse.observation(dump.guests[NAME], dump.store_kind)


class TestObservation:
    def test_a_running_guest(self) -> None:
        found = seen(answer())
        assert (found.guest_id, found.power, found.limits) == (ID, Power.RUNNING, SPEC.limits)
        assert (found.uid_slot, found.addresses, found.fence, found.disk_used_bytes) == (3, ("10.0.0.5",), 12, 111)
        assert found.guarded is False
        assert found.unenforced == ()

    def test_a_stopped_guest_has_the_limits_of_its_configuration(self) -> None:
        found = seen(answer(running=False))
        assert (found.power, found.limits, found.guarded) == (Power.STOPPED, SPEC.limits, None)

    def test_frozen_and_empty_guests_are_unknown(self) -> None:
        assert seen(answer(live={"freezer/{}/freezer.state": "FROZEN"})).power is Power.UNKNOWN
        assert seen(answer(live={"pids/{}/pids.current": "0"})).power is Power.UNKNOWN

    @pytest.mark.parametrize("value", ["max", "-1", "9223372036854771712", "x"])
    def test_a_limit_that_does_not_limit_is_none(self, value: str) -> None:
        assert seen(answer(live={"pids/{}/pids.max": value})).limits is None

    def test_a_directory_of_its_own_is_foreign(self) -> None:
        assert seen(answer(link="D")).guest_id is None

    def test_an_answer_cut_short_is_an_error(self) -> None:
        whole = answer()
        for end in range(0, len(whole) - 5, 97):
            with pytest.raises(GearRefused):
                parse.parse(whole[:end], STORE)

    def test_images_are_listed(self) -> None:
        assert parse.parse(answer(), STORE).images == ("a-1-b",)


PROBE = """boot_id=b
clock_ms=1000500
cpus=4
kernel=6.1
architecture=x86_64
memory_kib=2097152
disk_kib=104857600
store={store}
cgroup=2
lxc=5.0.2
bridge=br0
"""


class TestProbe:
    def test_a_good_host(self) -> None:
        found = probe.facts(PROBE.format(store="btrfs"), STORE, asked_at=1000.0)
        assert (found.cpus, found.memory_mib, found.disk_gib, found.clock_skew_ms) == (4, 2048, 100, 500)
        assert found.usable
        assert found.missing == ()

    def test_a_store_without_quotas_is_told_but_usable(self) -> None:
        found = probe.facts(PROBE.format(store="ext2/ext3"), STORE, asked_at=1000.0)
        assert found.store_kind == "dir"
        assert found.usable
        assert "btrfs" in found.missing[0].remedy

    @pytest.mark.parametrize(("lacks", "package"), [("nft", "nftables"), ("zstd", "zstd"), ("subuid", "/etc/subuid")])
    def test_what_is_missing_comes_with_its_remedy(self, lacks: str, package: str) -> None:
        found = probe.facts(PROBE.format(store="btrfs") + f"lacks={lacks}\n", STORE, asked_at=1.0)
        assert not found.usable
        assert package in found.missing[0].remedy

    def test_nonsense_is_refused(self) -> None:
        with pytest.raises(GearRefused):
            probe.facts("cpus=many\n", STORE, asked_at=1.0)


class Script:
    """A runner that answers from a list and remembers what was run."""

    name = "root@test"

    def __init__(self, *results: CommandResult) -> None:
        self.results = list(results)
        self.commands: list[Command] = []

    def run(
        self, command: Command, *, timeout_s: float, stdin: bytes = b"", mutating: bool, at_once: bool = False
    ) -> CommandResult:
        self.commands.append(command)
        return self.results.pop(0)

    def stream(self, command: Command, source: Path, *, timeout_s: float, sent: object = None) -> CommandResult:
        return self.run(command, timeout_s=timeout_s, mutating=True)

    def push(self, command: Command, source: object, *, timeout_s: float) -> CommandResult:
        return self.run(command, timeout_s=timeout_s, mutating=True)

    @contextmanager
    def pull(self, command: Command) -> Iterator[Output]:
        yield Printed(self.run(command, timeout_s=1, mutating=False))

    def close(self) -> None:
        return None


class Printed:
    """What a command printed, all of it at once."""

    def __init__(self, result: CommandResult) -> None:
        self._result, self._left = result, io.BytesIO(result.stdout)

    def read(self, size: int, /) -> bytes:
        return self._left.read(size)

    def result(self) -> CommandResult:
        return self._result


def result(code: int, stdout: str = "", stderr: str = "") -> CommandResult:
    return CommandResult(code, stdout.encode(), stderr.encode(), 0.0)


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (70, "", errors.StaleFence),
        (71, "", errors.GearUnreachable),
        (72, "", errors.NoSuchGuest),
        (73, "", errors.GuestExists),
        (76, "", errors.ImageBroken),
        (77, "", errors.DiskFull),
        (1, "cp: No space left on device", errors.DiskFull),
        (1, "odd", errors.GearRefused),
        (137, "", errors.GearUnknown),
    ],
)
def test_exit_codes_become_errors(code: int, said: str, kind: type[GearError]) -> None:
    with pytest.raises(kind):
        LxcHypervisor(Script(result(code, stderr=said))).stop(ID, fence=1, timeout_s=1)


def test_a_verb_costs_one_command_and_lost_scripts_two_more() -> None:
    script = Script(result(0, answer()))
    assert LxcHypervisor(script).observe(ID) is not None
    assert len(script.commands) == 1
    script = Script(result(LOST), result(0), result(0, answer()))
    assert LxcHypervisor(script).observe(ID) is not None
    assert script.commands[1] == bundle().send()


def test_an_export_ends_well_only_if_the_host_says_so() -> None:
    whole = LxcHypervisor(Script(result(0), result(0, "archive")))
    with whole.export(ID, fence=1) as stream:
        assert (stream.read(99), stream.read(99)) == (b"archive", b"")
    for code, kind in ((72, errors.NoSuchGuest), (75, errors.GearRefused), (1, errors.GearRefused), (141, errors.GearRefused)):
        with LxcHypervisor(Script(result(0), result(code, "half"))).export(ID, fence=1) as stream:
            assert stream.read(99) == b"half"
            with pytest.raises(kind):
                stream.read(99)


def test_a_root_that_has_arrived_is_not_sent_again() -> None:
    script = Script(result(0, "yes\n"), result(0, answer(running=False)))
    cargo = Cargo(1, 2, "3")
    assert LxcHypervisor(script).receive(SPEC, io.BytesIO(b"x"), cargo, fence=1).guest_id == ID
    assert [command.args[4] if len(command.args) > 4 else "" for command in script.commands][-1] != "receive"
    with pytest.raises(errors.CargoDamaged):
        LxcHypervisor(Script(result(0, "no\n"), result(0), result(78))).receive(SPEC, io.BytesIO(b"x"), cargo, fence=1)


def test_a_measure_is_three_words() -> None:
    assert LxcHypervisor(Script(result(0, "3 42 abc\n"))).measure(ID) == Cargo(3, 42, "abc")
    with pytest.raises(GearRefused, match="not understood"):
        LxcHypervisor(Script(result(0, "3 42\n"))).measure(ID)


def test_a_guest_without_its_limits_or_guard_is_not_started() -> None:
    wrong = answer(live={"pids/{}/pids.max": "99"})
    with pytest.raises(GearRefused, match="limits"):
        LxcHypervisor(Script(result(0, wrong))).start(ID, fence=1)
    with pytest.raises(GearRefused, match="anti-spoofing"):
        LxcHypervisor(Script(result(0, answer()))).start(ID, fence=1)


def test_frames_carry_any_bytes() -> None:
    assert frames([("a", b"x\n@b 3\n"), ("b", b"")]) == b"a 7\nx\n@b 3\nb 0\n"


def test_ids_are_checked_before_anything_is_sent() -> None:
    script = Script()
    for bad in ("", "../x", ID.upper(), str(uuid.uuid4()) + "\n"):
        with pytest.raises(GearRefused):
            LxcHypervisor(script).observe(bad)
    assert script.commands == []
