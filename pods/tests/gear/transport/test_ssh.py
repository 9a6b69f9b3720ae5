"""Running commands over a real sshd: results, limits, and which failure means what."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pods.gear.errors import CredentialsRefused, GearRefused, GearUnknown, GearUnreachable, HostKeyChanged
from pods.gear.transport import (
    Command,
    Pool,
    SshRunner,
    TransportLimits,
    close_all,
    fingerprint,
    parse_public_key,
    scan_host_key,
    shared_pool,
)
from pods.tests.gear.transport.conftest import Sshd, children_of, free_port, make_key


def test_arguments_arrive_exactly_as_given(runner: SshRunner) -> None:
    nasty = ["a b", "$(touch /tmp/x)", "'", '"', ";", "*", "", "ü\n"]
    result = runner.run(Command("printf", "%s|", *nasty), timeout_s=10, mutating=False)
    assert result.text == "|".join(nasty) + "|"
    assert result.exit_code == 0


def test_exit_code_and_both_outputs_come_back(runner: SshRunner) -> None:
    result = runner.run(Command("sh", "-c", "echo out; echo err >&2; exit 7"), timeout_s=10, mutating=True)
    assert (result.exit_code, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert result.last_words() == "err"


def test_standard_input_reaches_the_command(runner: SshRunner) -> None:
    data = os.urandom(3_000_000)
    result = runner.run(Command("sha256sum"), timeout_s=10, stdin=data, mutating=False)
    assert result.text.split()[0] == hashlib.sha256(data).hexdigest()


def test_a_command_that_ignores_its_input_still_gives_its_exit_code(runner: SshRunner) -> None:
    result = runner.run(Command("sh", "-c", "exit 5"), timeout_s=20, stdin=bytes(40_000_000), mutating=True)
    assert result.exit_code == 5


def test_connections_are_reused_and_quick(runner: SshRunner, pool: Pool, sshd: Sshd) -> None:
    runner.run(Command("true"), timeout_s=10, mutating=False)
    took = []
    for _ in range(20):
        started = time.monotonic()
        runner.run(Command("true"), timeout_s=10, mutating=False)
        took.append(time.monotonic() - started)
    assert pool.count() == 1
    assert sorted(took)[10] < 0.040  # 48 ms is what forgetting TCP_NODELAY costs


def test_many_threads_share_few_connections(runner: SshRunner, pool: Pool, sshd: Sshd) -> None:
    def one(number: int) -> str:
        return runner.run(Command("echo", str(number)), timeout_s=30, mutating=False).text

    with ThreadPoolExecutor(24) as threads:
        answers = list(threads.map(one, range(200)))
    assert answers == [f"{number}\n" for number in range(200)]
    assert 1 <= pool.count(sshd.target) <= pool.limits.connections_per_target


def test_long_commands_do_not_block_short_ones(runner: SshRunner) -> None:
    with ThreadPoolExecutor(6) as threads:
        long_ones = [threads.submit(runner.run, Command("sleep", "2"), timeout_s=10, mutating=False) for _ in range(6)]
        started = time.monotonic()
        runner.run(Command("true"), timeout_s=10, mutating=False)
        assert time.monotonic() - started < 1.5
        assert [future.result().exit_code for future in long_ones] == [0] * 6


def test_too_busy_is_unreachable_and_nothing_is_sent(sshd: Sshd, tmp_path: Path) -> None:
    limits = TransportLimits(queue_s=0.3, connections_per_target=1, sessions_per_connection=1)
    pool = Pool(limits)
    runner = SshRunner(sshd.target, pool)
    release = tmp_path / "release"
    waiting = Command("sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.02; done', str(release))
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(runner.run, waiting, timeout_s=20, mutating=False)
        while pool.count() == 0:
            time.sleep(0.01)
        with pytest.raises(GearUnreachable, match="busy"):
            runner.run(Command("touch", str(tmp_path / "never")), timeout_s=10, mutating=True)
        release.touch()
        assert busy.result().exit_code == 0
    assert not (tmp_path / "never").exists()
    pool.close_all()


def test_a_question_at_once_waits_for_nobody(sshd: Sshd, tmp_path: Path) -> None:
    pool = Pool(TransportLimits(connections_per_target=1, sessions_per_connection=1))
    runner = SshRunner(sshd.target, pool)
    release = tmp_path / "release"
    waiting = Command("sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.02; done', str(release))
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(runner.run, waiting, timeout_s=20, mutating=False)
        while pool.count() == 0:
            time.sleep(0.01)
        assert runner.run(Command("echo", "alive"), timeout_s=10, mutating=False, at_once=True).text == "alive\n"
        assert not busy.done()
        release.touch()
        assert busy.result().exit_code == 0
    pool.close_all()


@contextmanager
def hung(sshd: Sshd) -> Iterator[None]:
    """Its processes stand still while the kernel goes on acknowledging what is sent."""
    processes = [pid for child in sshd.sessions() for pid in (child, *children_of(child))]
    _signal(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[int], number: signal.Signals) -> None:
    """A command's own process may have ended between the look and the signal."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_server_that_hangs_holds_up_no_thread_for_ever(sshd: Sshd) -> None:
    """Many commands and a heartbeat on one connection whose server stands still: each ends within its limits."""
    pool = Pool(TransportLimits(connect_s=1.0, answer_s=1.0, queue_s=3.0, connections_per_target=1))
    runner = SshRunner(sshd.target, pool)
    runner.run(Command("true"), timeout_s=10, mutating=False)
    with pool.session(sshd.target) as (connection, channel), hung(sshd):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            connection.execute(channel, "true", 10)
        assert time.monotonic() - started < 5
        with ThreadPoolExecutor(6) as threads:
            asked = [threads.submit(runner.run, Command("true"), timeout_s=10, mutating=False) for _ in range(5)]
            alive = threads.submit(runner.run, Command("true"), timeout_s=10, mutating=False, at_once=True)
            outcomes = [future.exception(timeout=20) for future in [*asked, alive]]
    assert all(outcome is None or isinstance(outcome, GearUnreachable) for outcome in outcomes)
    pool.close_all()


def test_server_with_fewer_sessions_than_ours_is_served_by_more_connections(sshd: Sshd, tmp_path: Path) -> None:
    """sshd's MaxSessions is 10: twelve at once on one connection must spill over, not fail."""
    pool = Pool(TransportLimits(sessions_per_connection=12, sessions_before_another=12, connections_per_target=2))
    runner = SshRunner(sshd.target, pool)
    with ThreadPoolExecutor(12) as threads:
        done = list(threads.map(lambda _: runner.run(Command("sleep", "0.5"), timeout_s=20, mutating=False), range(12)))
    assert [result.exit_code for result in done] == [0] * 12
    pool.close_all()


def test_timeout_of_a_change_is_unknown_and_of_a_question_unreachable(runner: SshRunner) -> None:
    with pytest.raises(GearUnknown, match=r"longer than 0\.3 s"):
        runner.run(Command("sleep", "5"), timeout_s=0.3, mutating=True)
    with pytest.raises(GearUnreachable, match="question"):
        runner.run(Command("sleep", "5"), timeout_s=0.3, mutating=False)
    assert runner.run(Command("true"), timeout_s=5, mutating=False).exit_code == 0


@pytest.mark.parametrize(("mutating", "kind"), [(True, GearUnknown), (False, GearUnreachable)])
def test_connection_cut_while_a_command_runs(
    runner: SshRunner, sshd: Sshd, tmp_path: Path, mutating: bool, kind: type[Exception]
) -> None:
    begun = tmp_path / "begun"
    command = Command("sh", "-c", 'touch "$0"; sleep 3', str(begun))

    def cut() -> None:
        deadline = time.monotonic() + 10
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        sshd.cut_connections()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(kind):
        runner.run(command, timeout_s=10, mutating=mutating)
    cutter.join()
    assert runner.run(Command("true"), timeout_s=10, mutating=True).exit_code == 0


def test_an_idle_connection_that_broke_is_replaced_without_an_error(runner: SshRunner, sshd: Sshd) -> None:
    runner.run(Command("true"), timeout_s=10, mutating=True)
    sshd.cut_connections()
    assert runner.run(Command("true"), timeout_s=10, mutating=True).exit_code == 0


def test_nothing_listening_is_unreachable(sshd: Sshd, pool: Pool) -> None:
    target = sshd.target_with(address="127.0.0.1")
    closed = SshRunner(type(target)("127.0.0.1", free_port(), "root", target.host_key, target.private_key), pool)
    with pytest.raises(GearUnreachable, match=r"No SSH connection to 127\.0\.0\.1"):
        closed.run(Command("true"), timeout_s=5, mutating=True)


def test_a_server_that_says_nothing_is_unreachable_within_the_connect_limit(sshd: Sshd) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = type(sshd.target)("127.0.0.1", silent.getsockname()[1], "root", sshd.target.host_key, sshd.target.private_key)
        started = time.monotonic()
        with pytest.raises(GearUnreachable):
            SshRunner(target, Pool(TransportLimits(connect_s=0.5))).run(Command("true"), timeout_s=5, mutating=True)
        assert time.monotonic() - started < 5


def test_changed_host_key_names_both_fingerprints(sshd: Sshd, pool: Pool, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    with pytest.raises(HostKeyChanged) as caught:
        SshRunner(sshd.target_with(host_key=other), pool).run(Command("true"), timeout_s=5, mutating=True)
    for text in (other, sshd.target.host_key):
        assert fingerprint(parse_public_key(text)[1]) in caught.value.detail
    assert pool.count() == 0


@pytest.mark.parametrize("name", ["host.pub", "host-rsa.pub"])
def test_any_pinned_key_of_a_host_with_several_is_accepted(sshd: Sshd, pool: Pool, name: str) -> None:
    pinned = (sshd.directory / name).read_text()
    runner = SshRunner(sshd.target_with(host_key=pinned), pool)
    assert runner.run(Command("true"), timeout_s=5, mutating=False).exit_code == 0


def test_refused_key_and_unreadable_key(sshd: Sshd, pool: Pool, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger").read_text()
    with pytest.raises(CredentialsRefused, match="authorized_keys"):
        SshRunner(sshd.target_with(private_key=stranger), pool).run(Command("true"), timeout_s=5, mutating=True)
    with pytest.raises(CredentialsRefused, match="cannot be read"):
        SshRunner(sshd.target_with(private_key="/nowhere"), pool).run(Command("true"), timeout_s=5, mutating=True)


def test_scan_shows_the_key_to_pin(sshd: Sshd) -> None:
    scanned = scan_host_key("127.0.0.1", sshd.port)
    assert parse_public_key(scanned) == parse_public_key(sshd.target.host_key)
    with pytest.raises(GearUnreachable):
        scan_host_key("127.0.0.1", free_port(), timeout_s=1)


def test_put_is_whole_and_atomic(runner: SshRunner, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(30_000_000))
    seen: list[int] = []
    remote = tmp_path / "there" / "image"
    remote.parent.mkdir()
    runner.put(source, str(remote), sent=seen.append)
    assert remote.read_bytes() == source.read_bytes()
    assert seen[-1] == 30_000_000
    assert seen == sorted(seen)
    assert [path.name for path in remote.parent.iterdir()] == ["image"]


def test_put_where_nothing_can_be_written_is_refused(runner: SshRunner, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(GearRefused, match="could not write"):
        runner.put(source, str(tmp_path / "no" / "such" / "place"))


def test_a_forked_child_gets_a_pool_of_its_own(sshd: Sshd) -> None:
    runner = SshRunner(sshd.target)
    runner.run(Command("true"), timeout_s=10, mutating=False)
    assert shared_pool().count(sshd.target) == 1
    child = os.fork()
    if child == 0:  # the child must leave by _exit whatever happens, or pytest would run twice
        code = 1
        try:
            empty = shared_pool().count() == 0
            worked = runner.run(Command("echo", "child"), timeout_s=10, mutating=False).text == "child\n"
            code = 0 if empty and worked else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert runner.run(Command("echo", "parent"), timeout_s=10, mutating=False).text == "parent\n"
    close_all()
    assert shared_pool().count() == 0


def test_beyond_the_process_limit_the_oldest_idle_connection_is_closed(sshd: Sshd) -> None:
    pool = Pool(TransportLimits(connections=1))
    first = sshd.target
    second = sshd.target_with(host_key=(sshd.directory / "host-rsa.pub").read_text())
    SshRunner(first, pool).run(Command("true"), timeout_s=5, mutating=False)
    SshRunner(second, pool).run(Command("true"), timeout_s=5, mutating=False)
    assert (pool.count(first), pool.count(second)) == (0, 1)
    pool.close_target(second)
    assert pool.count() == 0
