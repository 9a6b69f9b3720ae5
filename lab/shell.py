"""Running the machine's own tools: argument lists, a limit on every wait, and the tool's words in the error."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError

SCRIPTS = Path(__file__).parent / "scripts"
TIMEOUT_S = 30.0


def run(*command: str, stdin: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run a command and answer its standard output; raises LabError with what it said on failure or timeout."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip() or f'exit {done.returncode}'}")
    return done.stdout


def succeeds(*command: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the command exits 0; what it prints is dropped."""
    try:
        run(*command, timeout_s=timeout_s)
    except LabError:
        return False
    return True


def ip_batch(lines: Sequence[str], *, force: bool = False) -> None:
    """Many `ip` commands in one process. With `force` those that fail do not stop the rest, and nothing is raised."""
    if not lines:
        return
    options = ("-force",) if force else ()
    try:
        run("ip", *options, "-batch", "-", stdin="\n".join(lines) + "\n")
    except LabError:
        if not force:
            raise
