"""What operators decide about an account: its state, its limits, its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.actor import Actor
from accounts.models import Account, AccountLimit
from accounts.models.account import DEFAULT_LIMITS
from accounts.services.limits import limits_of
from mcp.errors import Conflict, Forbidden, InvalidInput
from mcp.events.services.audit import audit


def govern_account(
    *,
    actor: Actor,
    account: Account,
    state: str | None = None,
    limits: Mapping[str, int | None] | None = None,
    name: str | None = None,
) -> Account:
    """Apply what is given; None stays as it is. A limit may be set below the present use: it stops what is new.

    Raises Forbidden, InvalidInput for an unknown limit or state, Conflict when a closed account is to be opened again.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation govern accounts.")
    unknown = sorted(set(limits or {}) - set(DEFAULT_LIMITS))
    if unknown:
        raise InvalidInput.on("limits", f"there is no {unknown[0][:80]!r}; choose from {', '.join(DEFAULT_LIMITS)}.", "unknown")
    if state is not None and state not in Account.State.values:
        raise InvalidInput.on("state", f"choose one of {', '.join(Account.State.values)}.", "unknown")
    with transaction.atomic():
        row = Account.objects.select_for_update().get(pk=account.pk)
        if row.state == Account.State.CLOSED and state not in (None, Account.State.CLOSED):
            raise Conflict(f"{row.slug} is closed for good; open a new account.")
        changes = _change_row(row, {"state": state, "name": name}) | _change_limits(row, limits or {})
        if changes:
            audit(
                "account.govern", actor=actor.label, source=actor.source, account_id=row.pk, target_type="account",
                target_id=row.pk, target_name=row.slug, changes=changes,
            )  # fmt: skip
    return row


def _change_row(row: Account, wanted: Mapping[str, str | None]) -> dict[str, Any]:
    changes = {f: [getattr(row, f), value] for f, value in wanted.items() if value is not None and value != getattr(row, f)}
    for field, (_, after) in changes.items():
        setattr(row, field, after)
    if changes:
        row.save(update_fields=list(changes))
    return changes


def _change_limits(row: Account, wanted: Mapping[str, int | None]) -> dict[str, Any]:
    before = limits_of(row)
    changes = {f"limits.{name}": [before[name], value] for name, value in wanted.items() if before[name] != value}
    for name, value in wanted.items():
        AccountLimit.objects.update_or_create(account=row, resource=name, defaults={"limit": value})
    return changes
