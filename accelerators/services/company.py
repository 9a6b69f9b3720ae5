"""The company an accelerator keeps: its group, how the group is spread, and the group it is to be near to.

The first member of a group decides how the group is spread; while it has members, others may only agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.models import Accelerator
from accelerators.states import State
from accounts.models import Account
from mcp.errors import InvalidInput

if TYPE_CHECKING:
    from accelerators.services.wish import CreateWish


@dataclass(frozen=True, slots=True)
class Company:
    """As it will be written: names as the customer gave them."""

    group: str = ""
    spread: str = "none"
    spread_limit: int = 1
    spread_policy: str = "required"
    near: str = ""
    near_policy: str = "preferred"

    def key(self, account: Account, name: str) -> str:
        """A group's name among those of all accounts; empty for none."""
        return f"{account.pk}:{name}" if name else ""


def company_of(wish: CreateWish, account: Account) -> Company:
    """What the wish and the group's present members agree on; the caller holds the account's lock.

    Raises InvalidInput naming the field in which they disagree, or a group to be near to that has no members.
    """
    spread = wish.spread or "none"
    company = Company(wish.group, spread, wish.spread_limit, wish.spread_policy, wish.near, wish.near_policy)
    if wish.near and wish.near != wish.group and wish.near_policy == "required" and not _members(account, wish.near):
        raise InvalidInput.on(
            "near", f"the group {wish.near!r} has no accelerators to be near to; name another, or prefer it only.", "unknown"
        )
    present = _members(account, wish.group) if wish.group else None
    return company if present is None else _agreed(company, present, asked=bool(wish.spread))


def _members(account: Account, group: str) -> Accelerator | None:
    """One present member speaks for all."""
    return Accelerator.objects.filter(account=account, group=group).exclude(state__in=[State.DELETED, State.FAILED]).first()


def _agreed(company: Company, present: Accelerator, *, asked: bool) -> Company:
    """Without a word about the spread the group's own way holds."""
    theirs = (present.spread, present.spread_limit, present.spread_policy)
    if asked and theirs != (company.spread, company.spread_limit, company.spread_policy):
        raise InvalidInput.on(
            "spread", f"the group {company.group!r} has spread {present.spread}, limit {present.spread_limit}, "
            f"{present.spread_policy}; say the same, leave it out, or name another group.", "contradicts",
        )  # fmt: skip
    return Company(company.group, *theirs, company.near, company.near_policy)
