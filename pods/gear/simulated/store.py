"""Where simulated hosts live: in this process, or in a directory that several processes share."""

from __future__ import annotations

import copy
import fcntl
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pods.gear.simulated.state import HostState

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
    """One JSON file a host, replaced by rename under a file lock; a killed worker loses nothing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def change(self, host: str) -> Iterator[HostState]:
        """See Store."""
        path = self._path(host)
        with self._locked(host):
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                raise KeyError(host) from None
            state = HostState.from_plain(json.loads(text))
            yield state
            self._write(path, state, text)

    def add(self, state: HostState) -> None:
        """See Store."""
        path = self._path(state.name)
        with self._locked(state.name):
            if not path.exists():
                self._write(path, state, "")

    def names(self) -> list[str]:
        """See Store."""
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def _path(self, host: str) -> Path:
        if not _NAME.fullmatch(host):
            raise KeyError(host)
        return self._directory / f"{host}.json"

    @contextmanager
    def _locked(self, host: str) -> Iterator[None]:
        with (self._directory / f"{self._path(host).stem}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, path: Path, state: HostState, before: str) -> None:
        text = json.dumps(state.to_plain(), separators=(",", ":"))
        if text != before:
            temporary = path.with_suffix(".new")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
