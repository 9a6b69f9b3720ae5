"""Plan and cancel maintenance windows, and what both share with the clock that keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.actor import Actor
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.services.audit import audit
from pods.models import Host, MaintenanceWindow, MoveRun, Pod
from pods.services.announce import announce
from pods.services.duty import set_duty
from pods.states import DUTY_TRANSITIONS, LIVE_RUNS, HostDuty, WindowState

LONGEST = timedelta(days=30)
LIVE = (WindowState.PLANNED, WindowState.OPEN)


def plan_window(
    *, actor: Actor, place: Host | Pod, starts_at: datetime, ends_at: datetime, reason: str,
    duty: HostDuty = HostDuty.MAINTENANCE,
) -> MaintenanceWindow:  # fmt: skip
    """Plan a window for a host or for all hosts of a pod, and announce it to everybody who has a guest there.

    Customers read the reason. A host that joins the pod later is in the window, too. Raises Forbidden, InvalidInput (naming
    the field), Conflict where it overlaps another window.
    """
    _check(actor, starts_at, ends_at, reason, duty)
    pod = place.pod if isinstance(place, Host) else place
    with transaction.atomic():
        Pod.objects.select_for_update().get(pk=pod.pk)
        window = MaintenanceWindow(
            host=place if isinstance(place, Host) else None, pod=pod, starts_at=starts_at, ends_at=ends_at, duty=duty,
            reason=reason, actor=actor.label[:200],
        )  # fmt: skip
        _refuse_overlap(window)
        window.save()
        told = tell_guests(window, "planned", actor.label)
        _audit(window, actor, "plan", {"guests_told": told})
    return window


def cancel_window(*, actor: Actor, window: MaintenanceWindow) -> MaintenanceWindow:
    """Call it off, or end it now if it is open: its hosts go back. Repeatable. Raises Forbidden, Conflict (it is over)."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    with transaction.atomic():
        locked = MaintenanceWindow.objects.select_for_update(of=("self",)).select_related("host", "pod").get(pk=window.pk)
        if locked.state == WindowState.CANCELLED:
            return locked
        if not locked.live:
            raise Conflict("This window is over; there is nothing to cancel.")
        give_hosts_back(locked, actor)
        finish(locked, WindowState.CANCELLED)
        tell_guests(locked, "cancelled", actor.label)
        _audit(locked, actor, "cancel", {})
    return locked


def _check(actor: Actor, starts_at: datetime, ends_at: datetime, reason: str, duty: HostDuty) -> None:
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    if ends_at <= starts_at or ends_at <= timezone.now():
        raise InvalidInput.on("ends_at", "must be after the start, and still to come.")
    if ends_at - starts_at > LONGEST:
        raise InvalidInput.on("ends_at", f"a window lasts {LONGEST.days} days at most.")
    if not reason.strip() or len(reason) > 200:
        raise InvalidInput.on("reason", "say in 1 to 200 characters what is done; customers read it.")
    if duty not in (HostDuty.MAINTENANCE, HostDuty.DRAINING):
        raise InvalidInput.on("duty", "choose maintenance or draining.")


def _refuse_overlap(window: MaintenanceWindow) -> None:
    """One window at a time for a host, so that each host knows what to go back to."""
    others = MaintenanceWindow.objects.filter(
        pod=window.pod, state__in=LIVE, starts_at__lt=window.ends_at, ends_at__gt=window.starts_at
    )  # fmt: skip
    if window.host_id is not None:
        others = others.filter(Q(host__isnull=True) | Q(host_id=window.host_id))
    other = others.select_related("host", "pod").first()
    if other is not None:
        raise Conflict(f"It overlaps the window of {other}; cancel that one, or choose another time.")


def hosts_in(window: MaintenanceWindow) -> QuerySet[Host]:
    """The hosts that it is about, retired ones left out, in id order."""
    rows = Host.objects.exclude(duty=HostDuty.RETIRED).order_by("pk")
    return rows.filter(pk=window.host_id) if window.host_id is not None else rows.filter(pod_id=window.pod_id)


def windows_over(host_id: UUID | None, pod_id: UUID) -> list[MaintenanceWindow]:
    """Windows to come, and open ones, of a host or its whole pod, the next first. One query."""
    rows = MaintenanceWindow.objects.filter(pod_id=pod_id, state__in=LIVE, ends_at__gt=timezone.now())
    return list(rows.filter(Q(host__isnull=True) | Q(host_id=host_id)).order_by("starts_at"))


SENTENCES = {
    "planned": "Maintenance of the machine that it is on is planned from {start} to {end} UTC: {reason}",
    "begun": "Maintenance of the machine that it is on has begun; it lasts until {end} UTC: {reason}",
    "ended": "Maintenance of the machine that it is on has ended: {reason}",
    "cancelled": "Maintenance of the machine that it is on, from {start} to {end} UTC, was cancelled: {reason}",
}


def tell_guests(window: MaintenanceWindow, what: str, actor: str) -> int:
    """A line on the timeline of every guest there; answers how many."""
    start, end = (f"{at:%-d %B %Y %H:%M}" for at in (window.starts_at, window.ends_at))
    times = {"starts_at": window.starts_at.isoformat(), "ends_at": window.ends_at.isoformat(), "reason": window.reason}
    return announce(
        list(hosts_in(window).values_list("pk", flat=True)), kind=f"maintenance.{what}",
        message=SENTENCES[what].format(start=start, end=end, reason=window.reason), actor=actor, data=times,
    )  # fmt: skip


def give_hosts_back(window: MaintenanceWindow, actor: Actor) -> None:
    """Every host that still has the window's duty goes back to the one it had; where it is being evacuated, to draining."""
    evacuated = set(MoveRun.objects.filter(state__in=sorted(LIVE_RUNS), host__isnull=False).values_list("host_id", flat=True))
    for host in Host.objects.filter(pk__in=[UUID(pk) for pk in window.changed], duty=window.duty).order_by("pk"):
        before = HostDuty.DRAINING if host.pk in evacuated else HostDuty(window.changed[str(host.pk)])
        if before in DUTY_TRANSITIONS[host.duty]:
            set_duty(actor=actor, host=host, duty=before, reason="")


def finish(window: MaintenanceWindow, state: WindowState) -> None:
    """Write down that it is over; the caller holds its lock."""
    window.state, window.finished_at = state, timezone.now()
    window.save(update_fields=["state", "finished_at"])


def _audit(window: MaintenanceWindow, actor: Actor, verb: str, more: dict[str, object]) -> None:
    audit(
        f"maintenance.{verb}", actor=actor.label, source=actor.source, target_type="maintenance", target_id=window.pk,
        target_name=str(window), changes={"duty": window.duty, "reason": window.reason, **more},
    )  # fmt: skip
