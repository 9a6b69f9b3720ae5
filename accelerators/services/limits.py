"""What accelerators count against an account's limits: everything not deleted, the trash included (it holds its room)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Count, Sum

from accelerators.models import Accelerator
from accelerators.states import State
from accounts.models import Account
from accounts.services.limits import counts


@counts("accelerators", "memory_mib", "vcpus", "disk_gib")
def accelerators_in_use(account: Account) -> Mapping[str, int]:
    """One aggregate query over the account's live rows. A failed one holds nothing and counts for nothing."""
    live = Accelerator.objects.filter(account=account).exclude(state__in=[State.DELETED, State.FAILED])
    sums = live.aggregate(n=Count("id"), memory=Sum("memory_mib"), cpu=Sum("cpu_m"), disk=Sum("disk_gib"))
    return {
        "accelerators": sums["n"],
        "memory_mib": sums["memory"] or 0,
        "vcpus": -(-(sums["cpu"] or 0) // 1000),
        "disk_gib": sums["disk"] or 0,
    }
