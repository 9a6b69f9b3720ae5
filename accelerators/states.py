"""The life of an accelerator: a closed table (drawn in docs/lifecycles/accelerator.md, enforced in the database)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class State(models.TextChoices):
    """What a customer sees. The names on -ing pass by themselves; the others stay until somebody asks for something."""

    PROVISIONING = "provisioning"
    RUNNING = "running"
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    FAILED = "failed"
    DELETING = "deleting"
    TRASHED = "trashed"
    RESTORING = "restoring"
    MOVING = "moving"
    DELETED = "deleted"


class PreemptReason(models.TextChoices):
    """Why a preemptible accelerator has to go; the label follows "because"."""

    ROOM = "room", "a firm plan needs its room"
    WINDOW = "window", "the hours in which its host lends idle room are over then"
    LENDING = "lending", "its host lends no idle room any more"


S = State
SETTLED: frozenset[str] = frozenset({S.RUNNING, S.STOPPED, S.FAILED, S.TRASHED, S.DELETED})
PASSING: frozenset[str] = frozenset(set(S.values) - SETTLED)
# States in which a guest is expected to exist on its host.
PRESENT: frozenset[str] = frozenset(
    {S.RUNNING, S.STOPPED, S.STARTING, S.STOPPING, S.RESTARTING, S.TRASHED, S.RESTORING, S.MOVING}
)
# States from which an operator may move it to another host; it comes back to the same one there.
MOVABLE: frozenset[str] = frozenset({S.RUNNING, S.STOPPED, S.TRASHED})

TRANSITIONS: Mapping[str, frozenset[str]] = {
    # The create operation decides; deletion is always accepted.
    S.PROVISIONING: frozenset({S.RUNNING, S.FAILED, S.DELETING}),
    # RESTORING: its guest vanished and an operator has it built anew.
    # STOPPED without asking: somebody shut it down from inside, or on the host (a drift finding says so).
    S.RUNNING: frozenset({S.STOPPING, S.RESTARTING, S.STOPPED, S.RESTORING, S.MOVING, S.DELETING}),
    S.STOPPED: frozenset({S.STARTING, S.RUNNING, S.RESTORING, S.MOVING, S.DELETING}),
    S.STARTING: frozenset({S.RUNNING, S.STOPPED, S.DELETING}),
    S.STOPPING: frozenset({S.STOPPED, S.RUNNING, S.DELETING}),
    S.RESTARTING: frozenset({S.RUNNING, S.STOPPED, S.DELETING}),
    # Nothing of it exists any more; only the row and its reason are left to be removed.
    S.FAILED: frozenset({S.DELETING}),
    # DELETING ends in the trash, or for good; cancelled on the way into the trash, it is stopped.
    S.DELETING: frozenset({S.TRASHED, S.DELETED, S.STOPPED}),
    S.TRASHED: frozenset({S.RESTORING, S.MOVING, S.DELETING}),
    S.RESTORING: frozenset({S.RUNNING, S.STOPPED, S.TRASHED, S.DELETING}),
    # As it was before, on another host or, if that failed, on the same.
    S.MOVING: frozenset({S.RUNNING, S.STOPPED, S.TRASHED, S.DELETING}),
    S.DELETED: frozenset(),
}
