"""Suspend an account and let it work again; an operator's verb."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from accounts.models import Account
from mcp.errors import Conflict, Forbidden
from mcp.events.services.audit import audit


def suspend_account(*, actor: Actor, account: Account, reason: str = "") -> Account:
    """From now on it reads and deletes, but makes nothing new; what runs goes on. Repeatable. Raises Forbidden, Conflict."""
    return _move(actor, account, Account.State.SUSPENDED, reason)


def resume_account(*, actor: Actor, account: Account, reason: str = "") -> Account:
    """Undo a suspension. Repeatable. Raises Forbidden, Conflict for a closed account."""
    return _move(actor, account, Account.State.ACTIVE, reason)


def _move(actor: Actor, account: Account, state: str, reason: str) -> Account:
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation suspend or resume accounts.")
    with transaction.atomic():
        locked = Account.objects.select_for_update().get(pk=account.pk)
        if locked.state == Account.State.CLOSED:
            raise Conflict(f"The account {locked.slug} is closed.")
        if locked.state == state:
            return locked
        before, locked.state = locked.state, state
        locked.save(update_fields=["state"])
        audit(
            f"account.{state}", actor=actor.label, source=actor.source, account_id=locked.pk, target_type="account",
            target_id=locked.pk, target_name=locked.slug, changes={"before": before, "after": str(state), "reason": reason},
        )  # fmt: skip
    return locked
