"""Files of `NAME=value` lines: the server's settings and what callers source."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """The variables in a file; none if there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if line.startswith("MCP_"))
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def write(path: Path, values: Mapping[str, str], *, export: bool = False, comment: str = "") -> None:
    """Replace a file, readable by its owner alone from its first byte on. `export` adds a line for child processes."""
    lines = [f"# {comment}"] if comment else []
    lines += [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    if export:
        lines.append(f"export {' '.join(values)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    part.replace(path)
