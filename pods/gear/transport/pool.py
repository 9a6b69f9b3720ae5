"""The process's SSH connections: bounded, reused, dropped when broken, forgotten by a forked child."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from pods.gear.errors import GearUnreachable
from pods.gear.transport.connection import Connection, SessionRefused, connect
from pods.gear.transport.limits import TransportLimits
from pods.gear.transport.target import SshTarget


class Pool:
    """Connections by target. Thread safe; use `shared_pool()` unless a test wants its own."""

    def __init__(self, limits: TransportLimits | None = None) -> None:
        self.limits = limits or TransportLimits()
        self._changed = threading.Condition()
        self._open: dict[SshTarget, list[Connection]] = defaultdict(list)
        self._opening: dict[SshTarget, int] = defaultdict(int)

    @contextmanager
    def session(self, target: SshTarget, *, at_once: bool = False) -> Iterator[tuple[Connection, paramiko.Channel]]:
        """A fresh channel on an open connection. Raises GearUnreachable when none can be had in time.

        An idle connection that turns out broken is replaced: nothing was sent on it yet. `at_once` is for questions that must
        not wait for others: where all connections are busy it opens one beyond the limit, and all in all it takes no longer
        than connecting may.
        """
        limits = self.limits
        deadline = time.monotonic() + (limits.connect_s if at_once else limits.queue_s)
        connection, channel = self._channel(target, deadline, at_once)
        try:
            yield connection, channel
        finally:
            # Closing sends a message, which a broken connection cannot take: what broke it is the error to tell.
            with suppress(paramiko.SSHException, OSError, EOFError):
                channel.close()
            self._give_back(connection)

    def close_all(self) -> None:
        """Close every connection; later calls open new ones."""
        with self._changed:
            doomed = [c for connections in self._open.values() for c in connections]
            self._open.clear()
            self._changed.notify_all()
        for connection in doomed:
            connection.close()

    def close_target(self, target: SshTarget) -> None:
        """Close the connections to one machine, for instance when its host key is enrolled anew."""
        with self._changed:
            doomed = self._open.pop(target, [])
            self._changed.notify_all()
        for connection in doomed:
            connection.close()

    def count(self, target: SshTarget | None = None) -> int:
        """Open connections, of one target or all."""
        with self._changed:
            if target is not None:
                return len(self._open.get(target, []))
            return sum(len(connections) for connections in self._open.values())

    def _channel(self, target: SshTarget, deadline: float, at_once: bool) -> tuple[Connection, paramiko.Channel]:
        broken = 0
        while True:
            connection = self._take(target, deadline, at_once)
            try:
                return connection, connection.open_session(self._patience(deadline, at_once))
            except SessionRefused:
                self._give_back(connection, full=True)
            except GearUnreachable:
                self._give_back(connection)
                broken += 1
                if broken > self.limits.connections_per_target or (at_once and time.monotonic() >= deadline):
                    raise
            except BaseException:
                self._give_back(connection)
                raise

    def _patience(self, deadline: float, at_once: bool) -> float:
        """Seconds that one try to connect or to open a session may take."""
        return max(0.1, deadline - time.monotonic()) if at_once else self.limits.connect_s

    def _take(self, target: SshTarget, deadline: float, at_once: bool) -> Connection:
        with self._changed:
            while True:
                self._drop_broken(target)
                connection = self._choose(target)
                if connection is not None:
                    connection.sessions += 1
                    return connection
                if at_once or self._may_open(target):
                    self._opening[target] += 1
                    break
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise GearUnreachable(
                        f"{target.name}: all {self.limits.connections_per_target} connections stayed busy for "
                        f"{self.limits.queue_s:.0f} s; nothing was sent."
                    )
        return self._open_one(target, self._patience(deadline, at_once))

    def _choose(self, target: SshTarget) -> Connection | None:
        """The least loaded connection, unless opening another one is better."""
        free = [c for c in self._open.get(target, ()) if c.sessions < c.capacity]
        best = min(free, key=lambda c: c.sessions, default=None)
        if best is not None and best.sessions >= self.limits.sessions_before_another and self._may_open(target):
            return None
        return best

    def _may_open(self, target: SshTarget) -> bool:
        return len(self._open.get(target, ())) + self._opening[target] < self.limits.connections_per_target

    def _open_one(self, target: SshTarget, within_s: float) -> Connection:
        try:
            connection = connect(target, self.limits, within_s)
        except BaseException:
            with self._changed:
                self._opening[target] -= 1
                self._changed.notify_all()
            raise
        with self._changed:
            self._opening[target] -= 1
            connection.sessions = 1
            self._open[target].append(connection)
            self._changed.notify_all()
        self._close_surplus()
        return connection

    def _give_back(self, connection: Connection, *, full: bool = False) -> None:
        with self._changed:
            connection.sessions -= 1
            connection.used_at = time.monotonic()
            if full:
                connection.capacity = max(1, connection.sessions)
            self._changed.notify()

    def _drop_broken(self, target: SshTarget) -> None:
        connections = self._open.get(target)
        if connections:
            connections[:] = [c for c in connections if c.alive]

    def _close_surplus(self) -> None:
        """Beyond the process's limit, close the idle connection used longest ago."""
        with self._changed:
            everything = [c for connections in self._open.values() for c in connections]
            idle = [c for c in everything if c.sessions == 0]
            if len(everything) <= self.limits.connections or not idle:
                return
            oldest = min(idle, key=lambda c: c.used_at)
            self._open[oldest.target].remove(oldest)
        oldest.close()


_shared = Pool()


def shared_pool() -> Pool:
    """The process's pool."""
    return _shared


def close_all() -> None:
    """Close every connection of the process's pool."""
    _shared.close_all()


def _forget_after_fork() -> None:
    """A child must neither use nor close its parent's connections; their sockets' copies just go away."""
    global _shared  # noqa: PLW0603  # the one place where the process's pool is replaced
    _shared = Pool(_shared.limits)


os.register_at_fork(after_in_child=_forget_after_fork)
