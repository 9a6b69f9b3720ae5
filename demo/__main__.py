"""`python -m demo up|down`, which `make up` and `make down` call once Python's packages are there."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from demo import secrets
from demo.down import down
from demo.errors import DemoError
from demo.places import ROOT, Places
from demo.progress import Progress
from lab.errors import LabError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="bring everything up, or mend what died")
    up.add_argument("--port", type=int, default=8000)
    up.add_argument("--simulate", action="store_true", help="use simulated hosts even where real ones can run")
    verbs.add_parser("down", help="end everything").add_argument("--purge", action="store_true", help="forget the data, too")
    return parser


def main() -> int:
    """Run one verb; answers the exit code."""
    os.chdir(ROOT)
    arguments = _parser().parse_args()
    places = Places(Path(os.environ.get("MCP_VAR_DIR") or ROOT / "var").resolve())
    try:
        if arguments.verb == "down":
            down(places, purge=arguments.purge, progress=Progress())
        else:
            _up(places, arguments.port, simulate=arguments.simulate)
    except DemoError as error:
        print(f"\n{error}\n-> {error.remedy}", file=sys.stderr)  # noqa: T201  (a command's output)
        return 1
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)  # noqa: T201  (a program for a terminal)
        return 1
    return 0


def _up(places: Places, port: int, *, simulate: bool) -> None:
    os.environ["MCP_VAR_DIR"] = str(places.var)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp.settings")
    secrets.ensure_settings(places, port)  # before Django reads them
    import django
    from django.core.exceptions import ImproperlyConfigured

    from mcp.errors import ControlPlaneError

    try:
        django.setup()
        from demo.up import Up

        Up(places, port, simulate=simulate).run()
    except ControlPlaneError as error:
        raise DemoError(f"{error.title}: {error.detail}", "Mend that and run `make up` again.") from error
    except ImproperlyConfigured as error:
        raise DemoError(str(error), f"Correct the environment or {places.settings}, and run `make up` again.") from error


if __name__ == "__main__":
    sys.exit(main())
