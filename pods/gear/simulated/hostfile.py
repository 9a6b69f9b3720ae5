"""One simulated host's file: the whole host in its first line, one change a line after it.

A call on a host costs what it changes, not what the host holds: this process keeps the host as it last read it, reads only
the lines that others added since, and appends what the call changed. Whoever uses this holds the host's lock.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pods.gear.simulated.state import Fault, GuestState, HostState

# A file is written anew once it has this many changes more than guests, so that reading it stays cheap.
CHANGES_KEPT = 256
# Fields whose entries change one by one.
KEYED = ("guests", "fences", "delays")

Picture = dict[str, Any]


class HostFile:
    """A host's file as this process knows it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = ""
        self._read = 0  # bytes of the file that are in `_state`
        self._changes = 0
        self._state: HostState | None = None
        self._before: Picture = {}

    def load(self, version: str) -> HostState:
        """The host. `version` is the file's, new whenever it is written anew. Raises FileNotFoundError."""
        if self._state is None or version != self._version or not version:
            self._state, self._version, self._read, self._changes = None, version, 0, 0
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        if text or self._state is None:
            self._take(text)
        assert self._state is not None
        return self._state

    def _take(self, text: bytes) -> None:
        """Apply lines that are new to us. A line without an end is what a killed process left: it never happened."""
        whole = text[: text.rfind(b"\n") + 1]
        lines = whole.splitlines()
        if self._state is None:
            first = lines.pop(0) if lines else text  # without an end: from before there were changes
            self._state = HostState.from_plain(json.loads(first))
        for line in lines:
            apply(self._state, json.loads(line))
        self._read += len(whole)
        self._changes += len(lines)
        self._before = picture(self._state)

    def save(self) -> bool:
        """Append what changed since `load`; false if the file should be written anew instead, by `rewrite`."""
        assert self._state is not None
        change = difference(self._before, self._state)
        if not change:
            return True
        if not self._version or self._changes > CHANGES_KEPT + len(self._state.guests):
            return False
        line = _text(change)
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, self._read)  # half a line, if there is one
            os.pwrite(descriptor, line, self._read)
        finally:
            os.close(descriptor)
        self._read += len(line)
        self._changes += 1
        _note(self._before, self._state, change)
        return True

    def rewrite(self) -> None:
        """The whole host in one line; the caller gives the file a new version first."""
        assert self._state is not None
        write_whole(self._path, self._state)


def write_whole(path: Path, state: HostState) -> None:
    """Replace a host's file, whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.write_bytes(_text(state.to_plain()))
    temporary.replace(path)


def _text(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def picture(state: HostState) -> Picture:
    """What a later state is compared with: shares nothing with it that may change."""
    return {name: _copy(value) for name, value in vars(state).items()}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, GuestState):
        return {key: list(item) if isinstance(item, list) else item for key, item in vars(value).items()}
    return list(value) if isinstance(value, list) else value


def difference(before: Picture, state: HostState) -> dict[str, Any]:
    """What changed, as JSON knows it: whole fields, and of the keyed ones the entries (null: gone)."""
    change: dict[str, Any] = {}
    for name, value in vars(state).items():
        if name in KEYED:
            entries = _changed_entries(before[name], value)
            if entries:
                change[name] = entries
        elif value != before[name]:
            change[name] = [asdict(fault) for fault in value] if name == "faults" else value
    return change


def _changed_entries(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    changed = {key: _plain(value) for key, value in now.items() if before.get(key) != _comparable(value)}
    gone = {key: None for key in before if key not in now}
    return changed | gone


def _comparable(value: Any) -> Any:
    return vars(value) if isinstance(value, GuestState) else value


def _plain(value: Any) -> Any:
    return value.to_plain() if isinstance(value, GuestState) else value


def _note(before: Picture, state: HostState, change: dict[str, Any]) -> None:
    """Take a change over into the picture."""
    for name, value in change.items():
        if name not in KEYED:
            before[name] = _copy(getattr(state, name))
            continue
        now = getattr(state, name)
        for key in value:
            if key in now:
                before[name][key] = _copy(now[key])
            else:
                del before[name][key]


def apply(state: HostState, change: dict[str, Any]) -> None:
    """Do to a state what a line of the file says."""
    for name, value in change.items():
        if name not in KEYED:
            setattr(state, name, [Fault(**item) for item in value] if name == "faults" else value)
            continue
        entries = getattr(state, name)
        for key, item in value.items():
            if item is None:
                entries.pop(key, None)
            else:
                entries[key] = GuestState.from_plain(item) if name == "guests" else item
