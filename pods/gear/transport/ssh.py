"""Running commands and copying files on one machine over pooled SSH connections."""

from __future__ import annotations

import posixpath
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import paramiko

from pods.gear.errors import GearError, GearRefused, GearUnknown, GearUnreachable
from pods.gear.transport.command import Command, CommandResult
from pods.gear.transport.connection import Connection
from pods.gear.transport.pool import Pool, shared_pool
from pods.gear.transport.target import SshTarget

_CHUNK = 1024 * 1024
STALL_S = 120.0  # streams may take as long as they like, as long as something moves
Sent = Callable[[int], None]


class Source(Protocol):
    """A stream of bytes; empty at its end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


class Output(Source, Protocol):
    """What a command prints, as it prints it."""

    def result(self) -> CommandResult:
        """How it ended, once everything was read; its standard output is not in it."""


class Runner(Protocol):
    """What drivers need of a transport; tests bring their own."""

    @property
    def name(self) -> str:
        """How errors call the machine."""

    def run(
        self, command: Command, *, timeout_s: float, stdin: bytes = b"", mutating: bool, at_once: bool = False
    ) -> CommandResult:
        """Run to its end; see `SshRunner.run`."""

    def stream(self, command: Command, source: Path, *, timeout_s: float, sent: Sent | None = None) -> CommandResult:
        """Run a changing command with a file as its standard input; see `SshRunner.stream`."""

    def push(self, command: Command, source: Source, *, timeout_s: float) -> CommandResult:
        """Run a changing command with a stream as its standard input; see `SshRunner.push`."""

    def pull(self, command: Command) -> AbstractContextManager[Output]:
        """Run a command and read its standard output as it comes; see `SshRunner.pull`."""

    def close(self) -> None:
        """Give back what is held."""


class SshRunner:
    """Commands on one machine. Thread safe. Users other than root go through `sudo -n`."""

    def __init__(self, target: SshTarget, pool: Pool | None = None) -> None:
        self._target = target
        self._own_pool = pool

    @property
    def name(self) -> str:
        """How errors call the machine."""
        return self._target.name

    @property
    def _pool(self) -> Pool:
        # Asked anew each time: a forked child has another shared pool.
        return self._own_pool or shared_pool()

    def run(
        self, command: Command, *, timeout_s: float, stdin: bytes = b"", mutating: bool, at_once: bool = False
    ) -> CommandResult:
        """Run a command to its end, whatever its exit code. `at_once` waits for no other command's session to end.

        Raises GearUnreachable (nothing was sent, or nothing could have changed), GearUnknown (a mutating command was
        sent and its end was not seen), HostKeyChanged, CredentialsRefused.
        """
        return self._converse(command, lambda channel: _send(channel, stdin), timeout_s, mutating, at_once)

    def stream(self, command: Command, source: Path, *, timeout_s: float, sent: Sent | None = None) -> CommandResult:
        """Run a mutating command with a file's content as standard input; `sent` is told the bytes so far.

        A command that ends before it has read everything is no error here: its exit code tells.
        """
        with source.open("rb") as file:
            return self._converse(command, lambda channel: _send_file(channel, file, sent), timeout_s, mutating=True)

    def push(self, command: Command, source: Source, *, timeout_s: float) -> CommandResult:
        """As `stream`, from any stream: what is read goes out before more is read. What reading raises ends the command.

        Input that the machine does not take for STALL_S seconds is an unknown outcome.
        """
        return self._converse(command, lambda channel: _send_source(channel, source), timeout_s, mutating=True)

    @contextmanager
    def pull(self, command: Command) -> Iterator[Output]:
        """Run a command that changes nothing, and read its output as it comes; leaving the context ends it.

        Reading raises GearUnreachable when the connection breaks or nothing comes for STALL_S seconds.
        """
        with self._pool.session(self._target) as (connection, channel):
            output = _Output(channel, self.name)
            with output.telling():
                channel.settimeout(STALL_S)
                connection.execute(channel, self._text(command), STALL_S)
                channel.shutdown_write()
            yield output

    def put(self, local: Path, remote: str, *, timeout_s: float = 600.0, sent: Sent | None = None) -> None:
        """Copy a file to an absolute path, atomically (a temporary file beside it, then a rename). Repeatable.

        Raises what `run` raises, and GearRefused when the machine cannot write there.
        """
        temporary = posixpath.join(posixpath.dirname(remote), f".{posixpath.basename(remote)}.{secrets.token_hex(6)}")
        script = 'umask 077; if cat > "$1" && mv -f "$1" "$2"; then exit 0; fi; rm -f "$1"; exit 1'
        result = self.stream(Command("sh", "-c", script, "put", temporary, remote), local, timeout_s=timeout_s, sent=sent)
        if result.exit_code != 0:
            raise GearRefused(f"{self.name} could not write {remote}.", context={"host": self.name, "said": result.last_words()})

    def close(self) -> None:
        """Connections belong to the pool and stay open for the next caller."""

    def _converse(
        self,
        command: Command,
        send: Callable[[paramiko.Channel], object],
        timeout_s: float,
        mutating: bool,
        at_once: bool = False,
    ) -> CommandResult:
        with self._pool.session(self._target, at_once=at_once) as (connection, channel):
            try:
                return _exchange(connection, channel, self._text(command), send, timeout_s, self._pool.limits.output_bytes)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise self._lost(command, error, timeout_s, mutating) from error

    def _text(self, command: Command) -> str:
        return (command if self._target.user == "root" else command.prefixed("sudo", "-n")).quoted()

    def _lost(self, command: Command, error: Exception, timeout_s: float, mutating: bool) -> GearError:
        context = {"host": self.name, "command": str(command)[:200]}
        why = f"took longer than {timeout_s:g} s" if isinstance(error, TimeoutError) else "was cut off"
        if mutating:
            return GearUnknown(f"{self.name}: a change {why}; whether it was made is not known.", context=context)
        return GearUnreachable(f"{self.name}: a question {why}.", context=context)


class _Output:
    """See Output. The channel's own window bounds what is kept: a machine waits until what it sent is read."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._started = time.monotonic()

    def read(self, size: int, /) -> bytes:
        """See Source."""
        with self.telling():
            return self._channel.recv(size)

    def result(self) -> CommandResult:
        """See Output."""
        with self.telling():
            stderr = _drain(self._channel.recv_stderr, self._channel, time.monotonic() + STALL_S, _CHUNK)
            if not self._channel.status_event.wait(STALL_S) or self._channel.exit_status < 0:
                raise EOFError("no exit code")
        return CommandResult(self._channel.exit_status, b"", stderr, time.monotonic() - self._started)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Nothing was changed, whatever broke."""
        try:
            yield
        except (paramiko.SSHException, OSError, EOFError) as error:
            why = f"sent nothing for {STALL_S:g} s" if isinstance(error, TimeoutError) else "was cut off"
            raise GearUnreachable(f"{self._name} {why} in the middle of an answer.", context={"host": self._name}) from error


def _exchange(
    connection: Connection,
    channel: paramiko.Channel,
    text: str,
    send: Callable[[paramiko.Channel], object],
    timeout_s: float,
    output_limit: int,
) -> CommandResult:
    started = time.monotonic()
    deadline = started + timeout_s
    channel.settimeout(timeout_s)
    connection.execute(channel, text, timeout_s)
    _feed(channel, send)
    stdout = _drain(channel.recv, channel, deadline, output_limit)
    stderr = _drain(channel.recv_stderr, channel, deadline, output_limit)
    if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    if channel.exit_status < 0:
        raise EOFError("no exit code")
    return CommandResult(channel.exit_status, stdout, stderr, time.monotonic() - started)


def _feed(channel: paramiko.Channel, send: Callable[[paramiko.Channel], object]) -> None:
    """Send the input. A command may end before it has read all of it: its exit code, or the lack of one, decides."""
    try:
        send(channel)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:
        if not channel.get_transport().is_active():
            raise


def _send(channel: paramiko.Channel, data: bytes) -> bool:
    """Whether all went out before the command ended."""
    view = memoryview(data)
    while view:
        count = channel.send(view)  # type: ignore[arg-type]  # paramiko slices and copies; a view saves a copy a packet
        if count == 0:
            return False
        view = view[count:]
    return True


def _send_file(channel: paramiko.Channel, file: BinaryIO, sent: Sent | None) -> None:
    total = 0
    while chunk := file.read(_CHUNK):
        if not _send(channel, chunk):
            return
        total += len(chunk)
        if sent is not None:
            sent(total)


def _send_source(channel: paramiko.Channel, source: Source) -> None:
    channel.settimeout(STALL_S)
    while chunk := source.read(_CHUNK):
        if not _send(channel, chunk):
            return


def _drain(receive: Callable[[int], bytes], channel: paramiko.Channel, deadline: float, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        chunk = receive(_CHUNK)
        if not chunk:
            return b"".join(parts)
        size += len(chunk)
        if size > limit:
            raise EOFError("the command printed too much")
        parts.append(chunk)
