"""The steps of `make down`."""

from __future__ import annotations

import shutil

from demo import machine, server
from demo.places import Places
from demo.progress import Progress


def down(places: Places, *, purge: bool, progress: Progress) -> None:
    """End the server, put the pod in a box away; with `purge` forget data, keys and hosts. Repeatable."""
    with progress.step("server") as told:
        told.append("ended" if server.stop(places) else "did not run")
    with progress.step("machines"):
        machine.put_away(places, forget=purge)
    if purge:
        with progress.step("data"):
            forget(places)


def forget(places: Places) -> None:
    """Remove what `make up` wrote, but for the built images and the logs."""
    for path in places.var.glob("mcp.sqlite3*"):
        path.unlink()
    for path in (places.settings, places.handover):
        path.unlink(missing_ok=True)
    for directory in (places.simulated, places.ssh_key.parent, places.lab):
        shutil.rmtree(directory, ignore_errors=True)
