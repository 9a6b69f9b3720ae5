"""What the doctor looks at in pods: hosts that do not answer, sums that do not add up, findings that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from mcp.health.doctor import Finding, Level, examines, mends
from pods.models import DriftFinding, Host, Pod
from pods.placement.request import DIMENSIONS
from pods.states import FindingKind, FindingState, HostDuty

SHOWN = 5


@examines("hosts")
def hosts_answer() -> Iterator[Finding]:
    """Hosts that are wanted and do not answer; pods without hosts."""
    silent = Host.objects.filter(reachable=False, duty__in=[HostDuty.ACTIVE, HostDuty.DRAINING]).select_related("pod")
    for host in silent.order_by("name")[:SHOWN]:
        yield Finding(
            Level.FAIL, "hosts", f"{host.pod.slug}/{host.name} does not answer: {host.last_error or 'no reason recorded'}",
            f"Try `./manage.py host probe {host.pod.slug}/{host.name}`; if it is being repaired, `./manage.py host maintenance`.",
        )  # fmt: skip
    if (more := silent.count() - SHOWN) > 0:
        yield Finding(Level.FAIL, "hosts", f"{more} more hosts do not answer.", "./manage.py host list")
    for pod in Pod.objects.annotate(n=Count("hosts", filter=~Q(hosts__duty=HostDuty.RETIRED))).filter(n=0)[:SHOWN]:
        yield Finding(
            Level.WARN, "hosts", f"The pod {pod.slug} has no host.", f"./manage.py host add ADDRESS --pod {pod.slug}"
        )  # fmt: skip


# What a host counts, and which of its allocations make it up: preemptible guests' disk is promised like anybody's.
COUNTED: Mapping[str, tuple[str, Q]] = {
    "used_cpu_m": ("cpu_m", Q(allocations__preemptible=False)),
    "used_memory_mib": ("memory_mib", Q(allocations__preemptible=False)),
    "used_disk_gib": ("disk_gib", Q()),
    "spot_cpu_m": ("cpu_m", Q(allocations__preemptible=True)),
    "spot_memory_mib": ("memory_mib", Q(allocations__preemptible=True)),
}


@examines("sums")
def sums_add_up() -> Iterator[Finding]:
    """Whether what hosts say is used is the sum of their allocations; two columns of one query."""
    for host in wrong_sums()[:SHOWN]:
        said = {name: getattr(host, name) for name in COUNTED} | {"guests": host.guests}
        yield Finding(
            Level.FAIL, "sums", f"{host.name} counts {said} as used, and its allocations add up to {true_sums(host)}.",
            "Run `./manage.py doctor --fix-sums` and report this as a bug: nothing should be able to cause it.",
        )  # fmt: skip


def wrong_sums() -> list[Host]:
    """Hosts whose counters differ from their allocations; `true_sums` reads what those add up to."""
    rows = _summed(Host.objects.all())
    same = Q(guests=F("n_allocations"))
    for name in COUNTED:
        same &= Q(**{name: F(f"sum_{name}")})
    return list(rows.exclude(same).order_by("name"))


def true_sums(host: Host) -> dict[str, int]:
    """What a host that `wrong_sums` answered should count."""
    sums = {name: int(getattr(host, f"sum_{name}")) for name in COUNTED}
    return sums | {"guests": int(host.n_allocations)}  # type: ignore[attr-defined]  # annotated


def _summed(hosts: QuerySet[Host]) -> QuerySet[Host]:
    sums: dict[str, Any] = {
        f"sum_{name}": Coalesce(Sum(f"allocations__{dimension}", filter=which), 0) for name, (dimension, which) in COUNTED.items()
    }
    return hosts.annotate(**sums, n_allocations=Count("allocations"))


@mends
def fix_sums() -> Iterator[str]:
    """Set each wrong counter to its sum, under the host's lock; claims and releases wait their turn meanwhile."""
    for host in wrong_sums():
        with transaction.atomic():
            locked = Host.objects.select_for_update().get(pk=host.pk)
            sums = true_sums(_summed(Host.objects.filter(pk=host.pk)).get())
            for name, total in sums.items():
                setattr(locked, name, total)
            for dimension in DIMENSIONS:
                setattr(locked, f"cap_{dimension}", max(sums[f"used_{dimension}"], getattr(locked, f"cap_{dimension}")))
            locked.save()
        yield f"{host.name}: the use of it is now {sums}."


@examines("drift")
def findings_wait() -> Iterator[Finding]:
    """Differences that nobody has decided about; unknown guests apart, since nobody else will."""
    still_open = DriftFinding.objects.filter(state=FindingState.OPEN)
    orphans = still_open.filter(kind=FindingKind.UNKNOWN_GUEST).select_related("host")
    for row in orphans.order_by("host__name")[:SHOWN]:
        yield Finding(
            Level.WARN, "drift", f"{row.host.name} holds {row.guest_name}, which MCP does not know.",
            f"Remove it on the host, or `./manage.py drift ignore {row.pk}`.",
        )  # fmt: skip
    if n := still_open.exclude(kind=FindingKind.UNKNOWN_GUEST).count():
        yield Finding(
            Level.WARN, "drift", f"{n} differences wait for a decision.", "./manage.py drift list, then adopt, restore or ignore."
        )  # fmt: skip
