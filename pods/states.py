"""States of what the operator owns (drawn in docs/lifecycles/)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class PodState(models.TextChoices):
    """Only an open pod takes new guests."""

    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"


class HostDuty(models.TextChoices):
    """What the operator wants of a host. Whether it answers is another matter (`Host.reachable`)."""

    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    RETIRED = "retired"


DUTY_TRANSITIONS: Mapping[str, frozenset[str]] = {
    HostDuty.ACTIVE: frozenset({HostDuty.MAINTENANCE, HostDuty.DRAINING}),
    HostDuty.MAINTENANCE: frozenset({HostDuty.ACTIVE, HostDuty.DRAINING, HostDuty.RETIRED}),
    HostDuty.DRAINING: frozenset({HostDuty.ACTIVE, HostDuty.MAINTENANCE, HostDuty.RETIRED}),
    # A retired host is history; enrol the machine again to use it again.
    HostDuty.RETIRED: frozenset(),
}


class SpotUse(models.TextChoices):
    """When a host lends what is idle to preemptible guests."""

    NEVER = "never"
    ALWAYS = "always"
    WINDOWS = "windows"


class HostState(models.TextChoices):
    """What people see: the duty, unless an active or draining host does not answer."""

    ONLINE = "online"
    UNREACHABLE = "unreachable"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    RETIRED = "retired"


def shown_state(duty: str, reachable: bool) -> HostState:
    """The state of a host in one word."""
    if duty in (HostDuty.ACTIVE, HostDuty.DRAINING) and not reachable:
        return HostState.UNREACHABLE
    return HostState.ONLINE if duty == HostDuty.ACTIVE else HostState(duty)


class AddressState(models.TextChoices):
    """A released address rests before it is given to somebody else, so that late packets find nobody."""

    ASSIGNED = "assigned"
    QUARANTINED = "quarantined"


class FindingKind(models.TextChoices):
    """What a reconciler can find on a host."""

    POWER = "power"
    MISSING = "missing"
    UNKNOWN_GUEST = "unknown_guest"
    LIMITS = "limits"
    UNGUARDED = "unguarded"


class FindingState(models.TextChoices):
    """An open finding waits for a decision; RESOLVED means the next look found it gone."""

    OPEN = "open"
    ADOPTED = "adopted"
    RESTORED = "restored"
    IGNORED = "ignored"
    RESOLVED = "resolved"


class MoveRunState(models.TextChoices):
    """Where a run of moves stands. A run that is being aborted waits for the moves that are past their point of no return."""

    RUNNING = "running"
    PAUSED = "paused"
    ABORTING = "aborting"
    FINISHED = "finished"
    ABORTED = "aborted"


R = MoveRunState
RUN_TRANSITIONS: Mapping[str, frozenset[str]] = {
    R.RUNNING: frozenset({R.PAUSED, R.ABORTING, R.FINISHED}),
    # FINISHED, too: what was at work when it was paused may have been the last.
    R.PAUSED: frozenset({R.RUNNING, R.ABORTING, R.FINISHED}),
    R.ABORTING: frozenset({R.ABORTED}),
    R.FINISHED: frozenset(),
    R.ABORTED: frozenset(),
}
LIVE_RUNS: frozenset[str] = frozenset({R.RUNNING, R.PAUSED, R.ABORTING})


class MoveState(models.TextChoices):
    """Where one guest of a run stands. Guests that cannot be moved are STUCK from the beginning, with their reason."""

    PLANNED = "planned"
    MOVING = "moving"
    MOVED = "moved"
    FAILED = "failed"
    STUCK = "stuck"
    DROPPED = "dropped"


M = MoveState
MOVE_TRANSITIONS: Mapping[str, frozenset[str]] = {
    # STUCK: no room is left for it when its turn comes. DROPPED: the run was aborted, or the guest is gone.
    M.PLANNED: frozenset({M.MOVING, M.STUCK, M.DROPPED}),
    M.MOVING: frozenset({M.MOVED, M.FAILED, M.DROPPED}),
    M.MOVED: frozenset(),
    M.FAILED: frozenset(),
    M.STUCK: frozenset(),
    M.DROPPED: frozenset(),
}


class WindowState(models.TextChoices):
    """Where a maintenance window stands."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


W = WindowState
WINDOW_TRANSITIONS: Mapping[str, frozenset[str]] = {
    # CLOSED: its end passed while the clock stood still.
    W.PLANNED: frozenset({W.OPEN, W.CLOSED, W.CANCELLED}),
    # Cancelled while it is open: its hosts go back at once.
    W.OPEN: frozenset({W.CLOSED, W.CANCELLED}),
    W.CLOSED: frozenset(),
    W.CANCELLED: frozenset(),
}
