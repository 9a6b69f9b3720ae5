"""Room for a move: claimed on the new host under the move's own id, so that both ends are held; swapped when it switches."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, connection, transaction

from mcp.ids import new_id
from pods.errors import CapacityExhausted, PlacementContended
from pods.models import Allocation, Host, Pod
from pods.placement.board import request_of
from pods.placement.moves import why_not
from pods.placement.request import Guest
from pods.services.fleet import guests_of, load_fleet
from pods.services.room import Snatched, take_from


def hold(*, allocation: Allocation, target: Host, move_id: UUID) -> Allocation:
    """Claim room for the guest of `allocation` on `target`, held by `move_id`, inside the caller's transaction.

    Every rule is judged on what the database says now, N+1 under the pod's lock where the pod asks for it. Repeatable.
    Raises CapacityExhausted with the reason, or PlacementContended when others took the room meanwhile.
    """
    assert connection.in_atomic_block, "a claim belongs to the transaction that writes the wish"
    held = Allocation.objects.filter(holder_id=move_id).first()
    if held is not None:
        return held
    guest = _judge(allocation, target)
    try:
        with transaction.atomic():
            place = take_from(target.pk, request_of(guest), 1, allocation.account_id)[0]
            return _write(allocation, target, move_id, place.uid_slot)
    except (Snatched, IntegrityError) as exc:
        raise PlacementContended("Others took the room while it was being claimed; ask again.") from exc


def _judge(allocation: Allocation, target: Host) -> Guest:
    """The guest as placement sees it, once no rule is against the target. Raises CapacityExhausted."""
    pod = Pod.objects.get(pk=allocation.pod_id)
    if pod.n_plus_one:
        Pod.objects.select_for_update().get(pk=pod.pk)
    fleet = load_fleet(pod=pod.slug)
    own = Allocation.objects.filter(pk=allocation.pk)
    mates = Allocation.objects.filter(group=allocation.group, pod=pod) if allocation.group else own
    guests = guests_of(fleet, mates | own)
    guest = next((one for one in guests if one.id == str(allocation.holder_id)), None)
    row = fleet.rows.get(str(target.pk))
    if guest is None or row is None:
        raise CapacityExhausted("A guest moves between hosts of its own pod that are not retired.")
    reason = why_not(fleet, guests, guest, row)
    if reason:
        raise CapacityExhausted(reason)
    return guest


def _write(allocation: Allocation, target: Host, move_id: UUID, uid_slot: int) -> Allocation:
    """A place of the group is needed on another host only: within the pod the guest counts once, where it is now."""
    apart = allocation.spread == "host" and not allocation.group_soft
    group = {"group": allocation.group, "spread": "host", "group_slot": _slot(allocation, target)} if apart else {}
    return Allocation.objects.create(
        holder_id=move_id, account_id=allocation.account_id, host=target, pod_id=allocation.pod_id, uid_slot=uid_slot,
        cpu_m=allocation.cpu_m, memory_mib=allocation.memory_mib, disk_gib=allocation.disk_gib, kind=allocation.kind,
        image_id=allocation.image_id, preemptible=allocation.preemptible, required_traits=allocation.required_traits,
        forbidden_traits=allocation.forbidden_traits, group_limit=allocation.group_limit, **group,
    )  # fmt: skip


def _slot(allocation: Allocation, target: Host) -> int:
    mates = Allocation.objects.filter(group=allocation.group, host=target, group_slot__isnull=False)
    used = set(mates.values_list("group_slot", flat=True))
    return next((slot for slot in range(allocation.group_limit) if slot not in used), allocation.group_limit)


def switch_over(*, holder_id: UUID, move_id: UUID) -> Allocation:
    """Swap who holds which end: the guest has the new host's room, the move the old one's, and the group follows the guest.

    The caller holds a transaction; answers the guest's allocation. Host sums stay as they are: both ends are still held.
    """
    left = Allocation.objects.select_for_update().get(holder_id=holder_id)
    arrived = Allocation.objects.select_for_update().get(holder_id=move_id)
    group, spread, soft, slot = left.group, left.spread, left.group_soft, left.group_slot
    left.holder_id, left.group, left.spread, left.group_soft, left.group_slot = new_id(), "", "none", False, None
    left.save()
    arrived.holder_id, arrived.group, arrived.spread, arrived.group_soft = holder_id, group, spread, soft
    arrived.group_slot = arrived.group_slot if spread == "host" else slot
    arrived.save()
    left.holder_id = move_id
    left.save(update_fields=["holder_id"])
    return arrived
