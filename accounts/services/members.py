"""Members of an account and their roles."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Account, Membership, User
from accounts.permissions import PERMISSIONS, Role
from accounts.services.limits import demand_room, lock_account
from mcp.errors import Conflict, Forbidden, InvalidInput, NotFound
from mcp.events.services.audit import audit


def _demand_grantable(actor: Actor, role: str) -> None:
    if role not in Role.values:
        raise InvalidInput.on("role", f"choose one of {', '.join(Role.values)}.")
    if not actor.is_operator and not PERMISSIONS[role] <= PERMISSIONS[actor.role]:
        raise Forbidden(f"Your role {actor.role} cannot give or take the role {role}; ask an owner.")


def add_member(*, actor: Actor, account: Account, username: str, role: str) -> Membership:
    """Give a person who has a sign-in a role. Raises InvalidInput, Forbidden, Conflict, LimitExceeded."""
    actor.demand("members.write")
    _demand_grantable(actor, role)
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise InvalidInput.on("username", f"nobody signs in as {username!r}; ask the operator to add this person first.")
    with transaction.atomic():
        locked = lock_account(account.pk)
        if Membership.objects.filter(account=locked, user=user).exists():
            raise Conflict(f"{username} is a member already; change the role instead.")
        demand_room(locked, {"members": 1})
        row = Membership.objects.create(account=locked, user=user, role=role)
        _note(actor, row, "member.add", {"role": role})
    return row


def change_role(*, actor: Actor, row: Membership, role: str) -> Membership:
    """Change a role; the last owner keeps it, and this person's keys that could do more are revoked.

    Raises Forbidden, Conflict, NotFound if the person is no member any more.
    """
    actor.demand("members.write")
    _demand_grantable(actor, role)
    with transaction.atomic():
        row = _locked(row)
        _demand_grantable(actor, row.role)
        _keep_an_owner(row, role)
        before, row.role = row.role, role
        row.save(update_fields=["role"])
        _revoke_stronger_keys(row)
        _note(actor, row, "member.role", {"before": before, "after": role})
    return row


def remove_member(*, actor: Actor, row: Membership) -> None:
    """Take a person's role, and the keys made by that person here.

    Raises Forbidden, Conflict for the last owner, NotFound if the person is no member any more.
    """
    actor.demand("members.write")
    with transaction.atomic():
        row = _locked(row)
        _demand_grantable(actor, row.role)
        _keep_an_owner(row, "")
        row.user.api_keys.filter(account_id=row.account_id).delete()
        _note(actor, row, "member.remove", {"role": row.role})
        row.delete()


def _locked(row: Membership) -> Membership:
    """The membership as it is under the account's lock: it may have changed since the caller read it. Raises NotFound."""
    lock_account(row.account_id)
    now = Membership.objects.select_related("user").filter(pk=row.pk).first()
    if now is None:
        raise NotFound("This person is no member of the account any more.")
    return now


def _revoke_stronger_keys(row: Membership) -> None:
    """A key never outlives the right to make it."""
    weaker = [other for other in Role.values if PERMISSIONS[other] <= PERMISSIONS[row.role]]
    keys = row.user.api_keys.filter(account_id=row.account_id, revoked_at__isnull=True)
    keys.exclude(role__in=weaker).update(revoked_at=timezone.now())


def _keep_an_owner(row: Membership, role: str) -> None:
    owners = Membership.objects.filter(account_id=row.account_id, role=Role.OWNER)
    if row.role == Role.OWNER and role != Role.OWNER and owners.count() == 1:
        raise Conflict("An account keeps at least one owner; make somebody else owner first.")


def _note(actor: Actor, row: Membership, action: str, changes: dict[str, str]) -> None:
    audit(
        action, actor=actor.label, source=actor.source, account_id=row.account_id, target_type="member",
        target_id=row.pk, target_name=row.user.username, changes=changes,
    )  # fmt: skip
