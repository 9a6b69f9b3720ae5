#!/usr/bin/env python3
"""The operator's command line; `./manage.py help` lists the verbs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Run one management command with the project's virtual environment, whichever python3 started us."""
    venv_python = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if venv_python.exists() and Path(sys.prefix).resolve() != venv_python.parent.parent.resolve():
        os.execv(str(venv_python), [str(venv_python), *sys.argv])  # noqa: S606  (an argument list, no shell)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
