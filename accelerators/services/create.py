"""Ask for accelerators: one transaction checks, claims room and addresses, and writes the wish. Nothing is built yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accelerators.errors import NameTaken
from accelerators.models import Accelerator, Tag
from accelerators.planning.names import numbered
from accelerators.services.placing import placement_request
from accelerators.services.preempt import make_room
from accelerators.services.target import target_of
from accelerators.services.wish import Chosen, CreateWish, check, choose
from accelerators.states import State
from accounts.actor import Actor
from accounts.models import Account
from accounts.services.limits import LimitUse, demand_room, lock_account
from mcp.events.services.audit import audit
from mcp.events.services.emit import emit
from mcp.ids import new_id
from mcp.operations.models import Operation
from mcp.operations.services.submit import Wish, submit_many
from mcp.secrets import seal
from pods.errors import AddressesExhausted
from pods.models import Allocation, Network, Pod
from pods.placement.explanation import Explanation
from pods.services.addresses import lease_addresses
from pods.services.claim import Claimed, claim, explained


@dataclass(frozen=True, slots=True)
class Created:
    """What was accepted: rows in the order of their names, one operation each."""

    accelerators: list[Accelerator]
    operations: list[Operation]
    limits_after: list[LimitUse]
    placement: Explanation
    # When preemptible accelerators will have been told to leave, where some must before these can start.
    room_by: datetime | None = None


def create_accelerators(*, actor: Actor, wish: CreateWish) -> Created:
    """Accept `wish.count` accelerators: all or none, or with `wish.as_many_as_fit` as many as fit.

    Raises InvalidInput and its kin (what is wrong with which field), LimitExceeded, CapacityExhausted (what is short),
    AddressesExhausted, NameTaken, Forbidden. Locks: account, hosts in id order, network.
    """
    actor.demand("accelerators.write")
    check(wish)
    with transaction.atomic():
        account = lock_account(actor.demand_account().pk)
        chosen = choose(wish, account)
        limits = _demand_room(account, chosen, wish.count)
        names = _names(account, wish)
        ids = [new_id() for _ in names]
        claimed = _claim(account, wish, chosen, ids)
        _lease(account, claimed)
        accelerators = _write(account, wish, chosen, names, claimed.allocations)
        room_by = {host_id: leaving.by for host_id, leaving in make_room(claimed.displaced).items()}
        operations = _submit(actor, accelerators, claimed, room_by)
        _note(actor, account, accelerators, operations)
    return Created(accelerators, operations, limits, claimed.explanation, max(room_by.values(), default=None))


def _demand_room(account: Account, chosen: Chosen, count: int) -> list[LimitUse]:
    plan = chosen.plan
    return demand_room(
        account,
        {
            "accelerators": count,
            "memory_mib": count * plan.memory_mib,
            "vcpus": -(-count * plan.need.cpu_m // 1000),
            "disk_gib": count * plan.disk_gib,
        },
    )


def _names(account: Account, wish: CreateWish) -> list[str]:
    alike = {"name": wish.name} if wish.count == 1 else {"name__startswith": wish.name}
    live = Accelerator.objects.filter(account=account, **alike).exclude(state=State.DELETED)
    taken = set(live.values_list("name", flat=True))
    if wish.count == 1 and wish.name in taken:
        raise NameTaken(
            f"name: the account has an accelerator {wish.name!r} already (perhaps in the trash); choose another name."
        )
    return numbered(wish.name, wish.count, taken)


def _claim(account: Account, wish: CreateWish, chosen: Chosen, ids: Sequence[UUID]) -> Claimed:
    """Without a group, a batch that is to be spread is a group of its own."""
    company = chosen.company
    group = company.key(account, company.group) or (f"{account.pk}:{ids[0]}" if company.spread != "none" else "")
    request = placement_request(wish, chosen, len(ids))
    near = company.key(account, company.near)
    return claim(request, holders=ids, account_id=account.pk, group=group, near=near, partial=wish.as_many_as_fit)


def _lease(account: Account, claimed: Claimed) -> None:
    """Raises AddressesExhausted, with the explanation of where there was room."""
    try:
        _lease_in_pods(account, claimed.allocations)
    except AddressesExhausted as error:
        error.context |= explained(claimed.explanation)
        raise


def _lease_in_pods(account: Account, allocations: Sequence[Allocation]) -> None:
    by_pod: dict[UUID, list[UUID]] = defaultdict(list)
    for allocation in allocations:
        by_pod[allocation.pod_id].append(allocation.holder_id)
    networks = {network.pod_id: network for network in Network.objects.filter(pod__in=by_pod).order_by("-slug")}
    for pod_id, holders in sorted(by_pod.items()):
        if pod_id not in networks:
            raise AddressesExhausted("The pod has no network for guests yet; an operator adds one with `pod add`.")
        lease_addresses(networks[pod_id], holders=holders, account_id=account.pk)


def _write(
    account: Account, wish: CreateWish, chosen: Chosen, names: Sequence[str], allocations: Sequence[Allocation]
) -> list[Accelerator]:
    plan, script, company = chosen.plan, seal(wish.user_script), chosen.company
    rows = [
        Accelerator(
            id=allocation.holder_id, account=account, name=name, kind=plan.kind, plan=plan, image=chosen.image,
            pod_id=allocation.pod_id, host_id=allocation.host_id, memory_mib=plan.memory_mib, cpu_m=plan.need.cpu_m,
            disk_gib=plan.disk_gib, processes=plan.processes, uid_slot=allocation.uid_slot, ssh_keys=chosen.ssh_keys,
            sealed_user_script=script, metadata=dict(wish.metadata), protected=wish.protected,
            group=company.group, spread=company.spread, spread_limit=company.spread_limit, spread_policy=company.spread_policy,
            near=company.near, near_policy=company.near_policy, preemptible=plan.preemptible,
        )
        for name, allocation in zip(names, allocations, strict=False)
    ]  # fmt: skip
    try:
        Accelerator.objects.bulk_create(rows)
    except IntegrityError as exc:  # ends the whole transaction
        raise NameTaken(f"name: one of {', '.join(names[:5])} was taken just now; choose another name.") from exc
    Tag.objects.bulk_create(Tag(accelerator=row, key=k, value=v) for row in rows for k, v in wish.tags.items())
    return rows


def _submit(
    actor: Actor, accelerators: Sequence[Accelerator], claimed: Claimed, room_by: Mapping[UUID, datetime]
) -> list[Operation]:
    """Those whose host is to be left by others first are told so: they wait before they start."""
    pods = {pod.pk: pod for pod in Pod.objects.filter(pk__in={row.pod_id for row in claimed.allocations})}
    placement = {"operator": claimed.explanation.for_operator(), "customer": claimed.explanation.for_customer()}
    waits = {host_id: {"room_by": by.isoformat()} for host_id, by in room_by.items()}
    wishes = [
        Wish(
            "accelerator.create", target_of(row, pods[row.pod_id]), placement=placement,
            params=waits.get(row.host_id, {}) if row.host_id else {},
        )
        for row in accelerators
    ]  # fmt: skip
    return submit_many(wishes, actor=actor.label, batch_id=new_id() if len(wishes) > 1 else None, new_targets=True)


def _note(actor: Actor, account: Account, accelerators: Sequence[Accelerator], operations: Sequence[Operation]) -> None:
    for row, operation in zip(accelerators, operations, strict=True):
        emit(
            "accelerator.requested", f"Requested: plan {row.plan.slug}, image {row.image.slug} {row.image.version}.",
            target_type="accelerator", target_id=row.pk, target_name=row.name, account_id=account.pk,
            operation_id=operation.pk, actor=actor.label,
        )  # fmt: skip
    audit(
        "accelerator.create", actor=actor.label, source=actor.source, account_id=account.pk, target_type="accelerator",
        target_id=accelerators[0].pk, target_name=accelerators[0].name, operation_id=operations[0].pk,
        changes={"count": len(accelerators), "plan": accelerators[0].plan.slug, "image": str(accelerators[0].image)},
    )  # fmt: skip
