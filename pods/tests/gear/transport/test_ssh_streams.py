"""Streams over SSH: in as they are read, out as they come, bounded, and told when they break."""

from __future__ import annotations

import hashlib
import io
import resource

import pytest

from pods.gear.errors import GearError, GearUnknown, GearUnreachable
from pods.gear.transport import Command, CommandResult, Output, SshRunner, ssh
from pods.tests.gear.transport.conftest import Sshd

MANY = 96 * 2**20


class Zeros:
    """So many zeros, a little at a time; nothing of them is kept."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int, /) -> bytes:
        count = min(size, self.left, 65_536)
        self.left -= count
        return bytes(count)


def test_what_is_pushed_arrives(runner: SshRunner) -> None:
    done = runner.push(Command("sha256sum"), io.BytesIO(b"letters" * 1000), timeout_s=30)
    assert done.text.split()[0] == hashlib.sha256(b"letters" * 1000).hexdigest()


def test_what_is_pulled_comes_whole_and_then_how_it_ended(runner: SshRunner) -> None:
    with runner.pull(Command("sh", "-c", "seq 50000; echo oops >&2; exit 7")) as output:
        text = b"".join(iter(lambda: output.read(4096), b""))
        ended = output.result()
    assert text.split()[-1] == b"50000"
    assert (ended.exit_code, ended.last_words()) == (7, "oops")


def test_much_passes_through_little_memory(runner: SshRunner) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with runner.pull(Command("head", "-c", str(MANY), "/dev/zero")) as output:
        done = runner.push(Command("wc", "-c"), output, timeout_s=120)
    assert int(done.text) == MANY
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "KiB"


def test_a_command_that_has_heard_enough_ends_the_push(runner: SshRunner) -> None:
    done = runner.push(Command("sh", "-c", "head -c 10; exit 3"), Zeros(MANY), timeout_s=30)
    assert (done.exit_code, done.stdout) == (3, bytes(10))


def test_leaving_early_ends_the_command(runner: SshRunner) -> None:
    with runner.pull(Command("yes")) as output:
        assert output.read(4) in (b"y\n", b"y\ny\n")
    assert runner.run(Command("true"), timeout_s=10, mutating=False).exit_code == 0


def test_what_reading_raises_is_raised_and_the_command_gets_no_good_end(runner: SshRunner) -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise GearError("the other machine went away")

    with pytest.raises(GearError, match="went away"):
        runner.push(Command("cat"), Broken(), timeout_s=30)


def told(output: Output) -> CommandResult:
    """Read to the end."""
    while output.read(10):
        pass
    return output.result()


def test_a_cut_connection_is_told_on_either_end(runner: SshRunner, sshd: Sshd) -> None:
    with runner.pull(Command("sh", "-c", "echo a; sleep 60")) as output:
        assert output.read(10) == b"a\n"
        sshd.cut_connections()
        with pytest.raises(GearUnreachable, match="middle of an answer"):
            told(output)

    class Cutting(Zeros):
        def read(self, size: int, /) -> bytes:
            if self.left < MANY // 2:
                sshd.cut_connections()
            return super().read(size)

    with pytest.raises(GearUnknown):
        runner.push(Command("sh", "-c", "cat >/dev/null"), Cutting(MANY), timeout_s=60)


def test_silence_ends_a_pull(runner: SshRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "STALL_S", 0.2)
    with pytest.raises(GearUnreachable, match="sent nothing"), runner.pull(Command("sleep", "60")) as output:
        output.read(10)


def test_a_machine_that_takes_nothing_ends_a_push(runner: SshRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "STALL_S", 0.5)
    with pytest.raises(GearUnknown):
        runner.push(Command("sleep", "60"), Zeros(MANY), timeout_s=60)
