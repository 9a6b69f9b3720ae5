"""What is run on a machine: an argument list with its secrets marked, quoted once, at the last moment."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """An argument that never shows in a repr, a log or an error."""

    value: str

    def __repr__(self) -> str:
        return "Secret(***)"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Command:
    """An argument list for the remote shell. Nothing in it is ever interpreted by that shell.

    Raises ValueError for an empty list or a NUL byte, which no argument can carry.
    """

    args: tuple[str | Secret, ...]

    def __init__(self, *args: str | Secret) -> None:
        if not args:
            raise ValueError("a command needs at least its program")
        if any("\0" in _plain(arg) for arg in args):
            raise ValueError("an argument holds a NUL byte, which no machine accepts")
        object.__setattr__(self, "args", args)

    def prefixed(self, *front: str) -> Command:
        """The same command run by another one, such as `sudo -n`."""
        return Command(*front, *self.args)

    def quoted(self) -> str:
        """The text sent to the remote shell, secrets included; only the transport asks for it."""
        return shlex.join(_plain(arg) for arg in self.args)

    def __str__(self) -> str:
        return " ".join("***" if isinstance(arg, Secret) else shlex.quote(arg) for arg in self.args)

    def __repr__(self) -> str:
        return f"Command({self})"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. `seconds` is the time from sending it to its exit code."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Standard output, with bytes that are not UTF-8 replaced."""
        return self.stdout.decode("utf-8", "replace")

    def last_words(self, limit: int = 400) -> str:
        """The end of what the command printed, standard error first, for an error's context."""
        words = self.stderr.strip() or self.stdout.strip()
        return words[-limit:].decode("utf-8", "replace")


def _plain(arg: str | Secret) -> str:
    return arg.value if isinstance(arg, Secret) else arg
