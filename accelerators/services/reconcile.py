"""Keep a host true: look at everything on it, record what is seen, open or close findings. Nothing is changed on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accelerators.models import Accelerator
from accelerators.operations.subject import limits_of
from accelerators.planning.reconcile import Difference, Report, WantedGuest, compare
from accelerators.services.idle_room import match_books
from accelerators.states import PRESENT, State
from mcp.events.services.emit import emit
from mcp.operations.models import Operation
from mcp.operations.states import OperationState
from pods.gear.errors import GearError
from pods.gear.hypervisor.base import Inventory, Power
from pods.models import DriftFinding, Host, Image, ImageCopy
from pods.services.gear import hypervisor_of
from pods.services.rounds import Round
from pods.states import FindingState, HostDuty

log = structlog.get_logger(__name__)

# Threads that wait for inventories; none of them uses the database.
AT_ONCE = 16


def reconcile_host(host: Host) -> Report:
    """One look at one host and what follows from it. Repeatable. Raises gear errors when the host does not answer."""
    return record_inventory(host, look(host))


def look(host: Host) -> Inventory:
    """Everything on a host, whose pod was read with it; no query. Raises gear errors."""
    return hypervisor_of(host).inventory()


def record_inventory(host: Host, inventory: Inventory) -> Report:
    """What follows from a look; one transaction."""
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        wanted = wanted_on(host)
        report = compare(wanted, inventory, _left_since(inventory, wanted))
        _record_powers(report, inventory)
        match_books(host, report.powers, inventory.taken_at)
        _record_missing(report, inventory)
        _record_findings(host, report, inventory.taken_at)
        _record_copies(host, inventory)
        Host.objects.filter(pk=host.pk).update(inventory_at=inventory.taken_at, last_seen_at=timezone.now())
    return report


def reconcile_all() -> int:
    """Look at every host that answers. Answers how many were looked at; none while a former call of this process still looks.

    Several processes share the fleet: whom another one has just looked at is left out.
    """
    return _round.run(_worth_a_look())


def _worth_a_look() -> Iterator[Host]:
    """Each is read when its turn has come: by then it may have stopped answering."""
    lately = timezone.now() - timedelta(seconds=settings.RECONCILE_PERIOD_S / 2)
    answering = Host.objects.exclude(duty=HostDuty.RETIRED).filter(
        Q(inventory_at__isnull=True) | Q(inventory_at__lt=lately), reachable=True, failed_heartbeats=0
    )
    for host_id in list(answering.order_by(F("inventory_at").asc(nulls_first=True)).values_list("pk", flat=True)):
        if (host := answering.select_related("pod").filter(pk=host_id).first()) is not None:
            yield host


def _settle(host: Host, answer: Inventory | GearError) -> None:
    if isinstance(answer, GearError):
        log.info("reconcile_skipped", host=host.name, code=answer.code, detail=answer.detail)
    else:
        record_inventory(host, answer)


_round = Round(look, _settle, at_once=AT_ONCE)


def wanted_on(host: Host) -> list[WantedGuest]:
    """Our accelerators that should exist on a host: two queries."""
    rows = list(Accelerator.objects.filter(host=host).exclude(state__in=[State.DELETED, State.FAILED]))
    busy = set(
        Operation.objects.filter(
            target_id__in=[row.pk for row in rows], exclusive=True,
            state__in=[OperationState.QUEUED, OperationState.RUNNING, OperationState.NEEDS_ATTENTION],
        ).values_list("target_id", flat=True)
    )  # fmt: skip
    return [
        WantedGuest(
            guest_id=str(row.pk), name=row.name,
            power=Power.RUNNING if row.power_wanted == "running" else Power.STOPPED, limits=limits_of(row),
            busy=row.pk in busy or row.state not in PRESENT, settled_at=row.settled_at, missing_since=row.missing_since,
        )
        for row in rows
    ]  # fmt: skip


def _left_since(inventory: Inventory, wanted: Sequence[WantedGuest]) -> set[str]:
    """Marked guests of the inventory whose accelerators are no strangers here: those that are being moved (for a while both

    hosts have something of them), and those that ended (deleted, moved away, or failed to be made) after it was taken.
    """
    others = inventory.by_id().keys() - {guest.guest_id for guest in wanted}
    if not others:
        return set()
    known = Accelerator.objects.filter(Q(settled_at__gte=inventory.taken_at) | Q(state=State.MOVING), pk__in=others)
    return {str(pk) for pk in known.values_list("pk", flat=True)}


def _record_powers(report: Report, inventory: Inventory) -> None:
    """Fresh observations; the state follows the host, so that no page ever disagrees with the hypervisor."""
    by_power: dict[Power, list[str]] = {}
    for guest_id, power in report.powers.items():
        by_power.setdefault(power, []).append(guest_id)
    for power, guest_ids in by_power.items():
        rows = Accelerator.objects.filter(pk__in=guest_ids)
        rows.update(power_observed=power.value, observed_at=inventory.taken_at)
        if power is Power.STOPPED:
            rows.filter(state=State.RUNNING).update(state=State.STOPPED, revision=F("revision") + 1)
        if power is Power.RUNNING:
            rows.filter(state=State.STOPPED).update(state=State.RUNNING, revision=F("revision") + 1)


def _record_missing(report: Report, inventory: Inventory) -> None:
    Accelerator.objects.filter(pk__in=report.first_missing).update(
        missing_since=inventory.taken_at, power_observed="unknown", observed_at=inventory.taken_at
    )
    Accelerator.objects.filter(pk__in=report.seen_again).update(missing_since=None)


def _record_copies(host: Host, inventory: Inventory) -> None:
    """Forget copies that the host lost, so that the next guest there fetches its image again."""
    keys = set(inventory.images)
    known = list(ImageCopy.objects.filter(host=host).select_related("image"))
    lost = [copy.pk for copy in known if copy.image.ref.key not in keys]
    ImageCopy.objects.filter(pk__in=lost).delete()
    have = {copy.image_id for copy in known}
    found = [image for image in Image.objects.exclude(pk__in=have) if image.ref.key in keys] if keys else []
    ImageCopy.objects.bulk_create((ImageCopy(image=image, host=host) for image in found), ignore_conflicts=True)


def _record_findings(host: Host, report: Report, seen_at: datetime) -> None:
    live = {
        (row.kind, row.guest_name): row
        for row in DriftFinding.objects.select_for_update().filter(host=host, state__in=[FindingState.OPEN, FindingState.IGNORED])
    }
    found = {(difference.kind, difference.guest_name): difference for difference in report.differences}
    for key, difference in found.items():
        if key in live:
            _seen_again(live[key], difference, seen_at)
        else:
            _open(host, difference, seen_at)
    gone = [row.pk for key, row in live.items() if key not in found and row.last_seen_at < seen_at]
    DriftFinding.objects.filter(pk__in=gone).update(state=FindingState.RESOLVED, decided_at=timezone.now())


def _seen_again(row: DriftFinding, difference: Difference, seen_at: datetime) -> None:
    row.times_seen += 1
    row.last_seen_at = seen_at
    row.found, row.wanted, row.sentence = dict(difference.found), dict(difference.wanted), difference.sentence[:300]
    row.save(update_fields=["times_seen", "last_seen_at", "found", "wanted", "sentence"])


def _open(host: Host, difference: Difference, seen_at: datetime) -> None:
    accelerator = Accelerator.objects.filter(pk=difference.guest_id).first() if difference.guest_id else None
    DriftFinding.objects.create(
        host=host, kind=difference.kind, guest_name=difference.guest_name[:120],
        target_id=accelerator.pk if accelerator else None, target_name=accelerator.name if accelerator else "",
        account_id=accelerator.account_id if accelerator else None, wanted=dict(difference.wanted),
        found=dict(difference.found), sentence=difference.sentence[:300], first_seen_at=seen_at, last_seen_at=seen_at,
    )  # fmt: skip
    if accelerator is not None:
        emit(
            f"drift.{difference.kind}", f"Found changed outside MCP: {difference.sentence}", target_type="accelerator",
            target_id=accelerator.pk, target_name=accelerator.name, account_id=accelerator.account_id,
        )  # fmt: skip
