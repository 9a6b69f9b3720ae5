"""Where simulated hosts live: in this process, or in a directory that several processes share."""

from __future__ import annotations

import copy
import fcntl
import os
import re
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pods.gear.simulated.hostfile import HostFile, write_whole
from pods.gear.simulated.state import HostState

_VERSION_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,200}")


class Store(Protocol):
    """Hosts by name. A change is whole or not at all, also when the process is killed in the middle."""

    def change(self, host: str) -> AbstractContextManager[HostState]:
        """The host, held alone; kept when the block ends well, as it was when it raises. Raises KeyError."""

    def add(self, state: HostState) -> None:
        """A new host, unless there is one of that name."""

    def names(self) -> list[str]:
        """The hosts, sorted."""


class MemoryStore:
    """For tests in one process."""

    def __init__(self) -> None:
        self._hosts: dict[str, HostState] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def change(self, host: str) -> Iterator[HostState]:
        """See Store."""
        with self._locks[host]:
            before = self._hosts[host]
            state = copy.deepcopy(before)
            yield state
            self._hosts[host] = state

    def add(self, state: HostState) -> None:
        """See Store."""
        self._hosts.setdefault(state.name, state)

    def names(self) -> list[str]:
        """See Store."""
        return sorted(self._hosts)


class DirectoryStore:
    """One file a host, changed under a file lock (`hostfile`); a killed worker loses nothing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, HostFile] = {}
        directory.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def change(self, host: str) -> Iterator[HostState]:
        """See Store."""
        path = self._path(host)
        with self._locked(host) as lock:
            known = self._known.pop(host, None) or HostFile(path)  # back only if all goes well
            try:
                state = known.load(os.pread(lock, _VERSION_BYTES, 0).decode())
            except FileNotFoundError:
                raise KeyError(host) from None
            yield state
            if not known.save():
                self._renew(lock)
                known.rewrite()
                return
            self._known[host] = known

    def add(self, state: HostState) -> None:
        """See Store."""
        path = self._path(state.name)
        with self._locked(state.name) as lock:
            if not path.exists():
                self._renew(lock)
                write_whole(path, state)

    def names(self) -> list[str]:
        """See Store."""
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def _path(self, host: str) -> Path:
        if not _NAME.fullmatch(host):
            raise KeyError(host)
        return self._directory / f"{host}.json"

    @contextmanager
    def _locked(self, host: str) -> Iterator[int]:
        """The host's lock. The locked file holds the version of the host's file."""
        descriptor = os.open(self._directory / f"{host}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _renew(lock: int) -> None:
        """A new version, before the file is written anew: whoever dies in between makes others read it all again, no worse."""
        os.pwrite(lock, uuid.uuid4().hex.encode(), 0)
