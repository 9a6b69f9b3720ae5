"""Settings come from the environment; this module reads and checks them, and says which variable is wrong and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"", "0", "false", "no", "off"})


class Environment:
    """Typed access to `MCP_*` variables."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values

    @classmethod
    def with_file(cls, path: Path) -> Environment:
        """The process's environment, over the lines of a file (`NAME=value`, # for comments) where there is one.

        Raises ImproperlyConfigured for a line that is neither, or a file that cannot be read.
        """
        return cls({**read_file(path), **os.environ})

    def text(self, name: str, default: str = "") -> str:
        """A string; the default when unset or empty."""
        return self._values.get(name, "") or default

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes or no. Raises ImproperlyConfigured for anything else."""
        raw = self._values.get(name)
        if raw is None:
            return default
        if raw.strip().lower() in TRUE:
            return True
        if raw.strip().lower() in FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be one of 1, true, yes, on, 0, false, no, off; it is {raw!r}.")

    def number(self, name: str, default: float, minimum: float = 0) -> float:
        """A number no lower than `minimum`. Raises ImproperlyConfigured otherwise."""
        raw = self.text(name)
        try:
            value = float(raw) if raw else default
        except ValueError as exc:
            raise ImproperlyConfigured(f"{name} must be a number; it is {raw!r}.") from exc
        if value < minimum:
            raise ImproperlyConfigured(f"{name} must be at least {minimum}; it is {value}.")
        return value

    def names(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list without blanks."""
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def path(self, name: str, default: Path) -> Path:
        """A path; a leading ~ is expanded."""
        raw = self.text(name)
        return Path(raw).expanduser() if raw else default


def read_file(path: Path) -> dict[str, str]:
    """The settings in a file, or none if there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ImproperlyConfigured(f"{path} cannot be read ({exc.strerror}); run as the user that owns it.") from exc
    settings: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().partition("=")
        if equals and name.startswith("MCP_"):
            settings[name] = value.strip()
        elif line.strip() and not line.lstrip().startswith("#"):
            raise ImproperlyConfigured(f"{path}, line {number}: expected MCP_NAME=value or a comment.")
    return settings
