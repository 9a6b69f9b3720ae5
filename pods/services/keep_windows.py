"""The clock's part in maintenance windows: open them when they start, close them when they end."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts.actor import system
from pods.models import MaintenanceWindow
from pods.services.duty import set_duty
from pods.services.windows import finish, give_hosts_back, hosts_in, tell_guests
from pods.states import DUTY_TRANSITIONS, HostDuty, WindowState


def keep_windows() -> int:
    """Open and close what is due; repeatable, and several at once do no harm. Answers how many windows changed."""
    now = timezone.now()
    planned = MaintenanceWindow.objects.filter(state=WindowState.PLANNED, starts_at__lte=now)
    ended = MaintenanceWindow.objects.filter(state=WindowState.OPEN, ends_at__lte=now)
    missed = list(planned.filter(ends_at__lte=now).values_list("pk", flat=True))
    due = list(planned.filter(ends_at__gt=now).values_list("pk", flat=True))
    over = list(ended.values_list("pk", flat=True))
    changes: list[tuple[list[UUID], WindowState, Callable[[MaintenanceWindow], None]]] = [
        (missed, WindowState.PLANNED, _miss), (due, WindowState.PLANNED, _open), (over, WindowState.OPEN, _close),
    ]  # fmt: skip
    return sum(_change(pk, state, change) for ids, state, change in changes for pk in ids)


def _change(window_id: UUID, state: WindowState, change: Callable[[MaintenanceWindow], None]) -> bool:
    """One window, if it is still in that state and nobody else looks after it."""
    skip = connection.features.has_select_for_update_skip_locked
    rows = MaintenanceWindow.objects.select_for_update(of=("self",), skip_locked=skip).select_related("host", "pod")
    with transaction.atomic():
        window = rows.filter(pk=window_id, state=state).first()
        if window is not None:
            change(window)
    return window is not None


def _open(window: MaintenanceWindow) -> None:
    """Hosts that are out of service already stay as they are, and are not brought back at the end."""
    actor, duty = system("maintenance"), HostDuty(window.duty)
    for host in hosts_in(window):
        if host.duty != duty and duty in DUTY_TRANSITIONS[host.duty] and host.duty != HostDuty.MAINTENANCE:
            set_duty(actor=actor, host=host, duty=duty, reason=window.reason)
            window.changed[str(host.pk)] = str(host.duty)
    window.state = WindowState.OPEN
    window.save(update_fields=["state", "changed"])
    tell_guests(window, "begun", actor.label)


def _close(window: MaintenanceWindow) -> None:
    actor = system("maintenance")
    give_hosts_back(window, actor)
    finish(window, WindowState.CLOSED)
    tell_guests(window, "ended", actor.label)


def _miss(window: MaintenanceWindow) -> None:
    """The clock stood still from before its start until after its end."""
    finish(window, WindowState.CLOSED)
