"""Accelerators as the API shows them: a page of any length costs the same number of queries."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from accelerators.models import Accelerator
from accounts.api.operations import present_operation
from mcp.operations.models import Operation
from pods.models import Address

# What is shown of plan, image, pod and account.
COLUMNS = {
    "plan_slug": "plan__slug", "hourly": "plan__price_hourly", "monthly": "plan__price_monthly",
    "yearly": "plan__price_yearly", "currency": "plan__currency", "image_slug": "image__slug",
    "image_version": "image__version", "pod_slug": "pod__slug", "dns_suffix": "pod__dns_suffix",
    "account_slug": "account__slug",
}  # fmt: skip
UNSEEN = ("params", "lanes", "operator_detail")


def shown(rows: QuerySet[Accelerator]) -> QuerySet[Accelerator]:
    """With everything that `present_all` reads: the few columns of its relations, the latest operation's id, and the tags.

    Columns, not related objects: building four of those a row was most of what a list cost.
    """
    latest = Operation.objects.filter(target_id=OuterRef("pk"), exclusive=True).order_by("-created_at", "-id")
    return (
        rows.defer("sealed_user_script", "last_known")
        .prefetch_related("tag_rows")
        .annotate(latest_operation=Subquery(latest.values("pk")[:1]), **{name: F(path) for name, path in COLUMNS.items()})
    )


def present_all(rows: Sequence[Accelerator]) -> list[dict[str, Any]]:
    """Rows of `shown`: two more queries, for addresses and operations."""
    addresses = _addresses([row.pk for row in rows])
    wanted = [key for key in (getattr(row, "latest_operation", None) for row in rows) if key is not None]
    operations = Operation.objects.defer(*UNSEEN).in_bulk(wanted)
    return [_present(row, addresses.get(row.pk, []), operations.get(getattr(row, "latest_operation", row.pk))) for row in rows]


def present_ids(ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Read afresh, in the order given."""
    rows = {row.pk: row for row in shown(Accelerator.objects.filter(pk__in=ids))}
    return present_all([rows[key] for key in ids])


def present_id(key: UUID) -> dict[str, Any]:
    """One, read afresh."""
    return present_ids([key])[0]


def _addresses(holders: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Address.objects.filter(holder_id__in=list(holders)).order_by("id").values_list("holder_id", "ip", "network__slug")
    for holder, ip, network in rows:
        assert holder is not None
        found[holder].append({"address": ip, "family": "ipv4", "network": network, "primary": not found[holder]})
    return found


def _present(row: Any, addresses: list[dict[str, Any]], operation: Operation | None) -> dict[str, Any]:
    failure = {"code": row.failure_code, "message": row.failure_message} if row.failure_code else None
    return {
        "id": row.pk, "name": row.name, "kind": row.kind, "state": row.state,
        "power": {"wanted": row.power_wanted, "observed": row.power_observed, "observed_at": row.observed_at},
        "plan": row.plan_slug, "image": f"{row.image_slug}@{row.image_version}", "pod": row.pod_slug,
        "memory_mib": row.memory_mib, "vcpus": f"{Decimal(row.cpu_m) / 1000:.2f}", "disk_gib": row.disk_gib,
        "addresses": addresses, "dns_names": _dns_names(row),
        "tags": {tag.key: tag.value for tag in row.tag_rows.all()}, "metadata": row.metadata,
        "ssh_keys": [{"fingerprint": fingerprint(key), "public_key": key} for key in row.ssh_keys],
        "protected": row.protected, "group": row.group, "spread": row.spread,
        "spread_limit": row.spread_limit, "spread_policy": row.spread_policy, "near": row.near,
        "near_policy": row.near_policy, "preemptible": row.preemptible, "preempt_at": row.preempt_at,
        "preempt_reason": row.preempt_reason, "preempted_at": row.preempted_at, "price": _price(row),
        "first_boot_exit": row.first_boot_exit, "failure": failure, "trash_until": row.trash_until,
        "created_at": row.created_at, "revision": row.revision,
        "operation": None if operation is None else present_operation(operation),
    }  # fmt: skip


def _price(row: Any) -> dict[str, str]:
    return {"hourly": str(row.hourly), "monthly": str(row.monthly), "yearly": str(row.yearly), "currency": row.currency}


def _dns_names(row: Any) -> list[str]:
    suffix = row.dns_suffix
    return [f"{row.name}.{row.account_slug}.{row.pod_slug}.{suffix}"] if suffix else []


@lru_cache(maxsize=4096)
def fingerprint(public_key: str) -> str:
    """As ssh-keygen -l prints it; the keys were parsed when they were stored."""
    blob = base64.b64decode(public_key.split(" ")[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
