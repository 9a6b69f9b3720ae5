"""Open, suspend and resume accounts; operators' verbs."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from accounts.models import Account, Membership, User
from accounts.permissions import Role
from mcp.errors import Conflict, Forbidden
from mcp.events.services.audit import audit


def open_account(*, actor: Actor, slug: str, name: str, owner: User | None = None) -> Account:
    """Make an account, with its first owner if given. Raises Forbidden, Conflict, django's ValidationError for a bad slug."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation open accounts.")
    with transaction.atomic():
        if Account.objects.filter(slug=slug).exists():
            raise Conflict(f"slug: the account {slug} exists already; choose another slug.")
        account = Account(slug=slug, name=name)
        account.full_clean()
        account.save()
        if owner is not None:
            Membership.objects.create(account=account, user=owner, role=Role.OWNER)
        audit(
            "account.open", actor=actor.label, source=actor.source, account_id=account.pk, target_type="account",
            target_id=account.pk, target_name=slug,
        )  # fmt: skip
    return account


def set_account_state(*, actor: Actor, account: Account, state: Account.State, reason: str = "") -> Account:
    """Suspend or resume; an account that is closed stays closed. Repeatable. Raises Forbidden, Conflict."""
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation suspend and resume accounts.")
    with transaction.atomic():
        locked = Account.objects.select_for_update().get(pk=account.pk)
        before = locked.state
        if before == state:
            return locked
        if before == Account.State.CLOSED:
            raise Conflict(f"The account {account.slug} is closed.")
        locked.state = state
        locked.save(update_fields=["state"])
        audit(
            f"account.{state}", actor=actor.label, source=actor.source, account_id=account.pk, target_type="account",
            target_id=account.pk, target_name=account.slug, changes={"before": before, "reason": reason},
        )  # fmt: skip
    return locked
