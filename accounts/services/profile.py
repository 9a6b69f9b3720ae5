"""Change what an account says about itself."""

from __future__ import annotations

import zoneinfo

from django.db import transaction

from accounts.actor import Actor
from accounts.models import Account
from accounts.services.limits import lock_account
from mcp.errors import InvalidInput
from mcp.events.services.audit import audit


def edit_profile(*, actor: Actor, name: str | None = None, time_zone: str | None = None) -> Account:
    """Change the actor's account; None leaves a field. Raises InvalidInput, Forbidden, Conflict for a closed account."""
    actor.demand("account.write")
    if name is not None and not name.strip():
        raise InvalidInput.on("name", "must not be empty.", "blank")
    if time_zone is not None and time_zone not in zoneinfo.available_timezones():
        raise InvalidInput.on("time_zone", "must be an IANA name such as UTC or Europe/Berlin.", "unknown")
    wanted = {"name": name, "time_zone": time_zone}
    with transaction.atomic():
        row = lock_account(actor.demand_account().pk)
        changes = {f: [getattr(row, f), value] for f, value in wanted.items() if value is not None and value != getattr(row, f)}
        for field, (_, after) in changes.items():
            setattr(row, field, after)
        if changes:
            row.save(update_fields=list(changes))
            audit(
                "account.edit", actor=actor.label, source=actor.source, account_id=row.pk, target_type="account",
                target_id=row.pk, target_name=row.slug, changes=changes,
            )  # fmt: skip
    return row
