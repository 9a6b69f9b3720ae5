"""Limits: counted from live rows under the account's lock, never kept as counters that could drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Account, AccountLimit, ApiKey, Membership, SshKey
from accounts.models.account import DEFAULT_LIMITS
from mcp.errors import Conflict, Forbidden, LimitExceeded

Counter = Callable[[Account], Mapping[str, int]]
_counters: list[tuple[frozenset[str], Counter]] = []


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One line of `/account/limits`; `limit` None means none."""

    resource: str
    used: int
    limit: int | None


class AccountSuspended(Forbidden):
    """The account may read, stop and delete, not make or change."""

    code = "account.suspended"
    title = "This account is suspended"


def counts(*resources: str) -> Callable[[Counter], Counter]:
    """Decorator: apps above register what they count (resource name -> use), one query each."""

    def register(counter: Counter) -> Counter:
        _counters.append((frozenset(resources), counter))
        return counter

    return register


@counts("ssh_keys")
def _ssh_keys(account: Account) -> Mapping[str, int]:
    return {"ssh_keys": SshKey.objects.filter(account=account).count()}


@counts("api_keys")
def _api_keys(account: Account) -> Mapping[str, int]:
    return {"api_keys": ApiKey.objects.filter(account=account, revoked_at__isnull=True).count()}


@counts("members")
def _members(account: Account) -> Mapping[str, int]:
    return {"members": Membership.objects.filter(account=account).count()}


def limits_of(account: Account) -> dict[str, int | None]:
    """The limits in force."""
    own = dict(AccountLimit.objects.filter(account=account).values_list("resource", "limit"))
    return {**DEFAULT_LIMITS, **own}


def limits_with_use(account: Account) -> list[LimitUse]:
    """Every limit with its present use."""
    used: dict[str, int] = {}
    for _, counter in _counters:
        used.update(counter(account))
    return [LimitUse(name, used.get(name, 0), limit) for name, limit in limits_of(account).items()]


def _counted_with(account: Account, asked: Mapping[str, int]) -> list[LimitUse]:
    """The limits of what is asked for, and of what is counted along with it; nothing else is counted."""
    used: dict[str, int] = {}
    for resources, counter in _counters:
        if not resources.isdisjoint(asked):
            used.update(counter(account))
    limits = {name: limit for name, limit in limits_of(account).items() if name in used or name in asked}
    return [LimitUse(name, used.get(name, 0), limit) for name, limit in limits.items()]


def lock_account(account_id: UUID) -> Account:
    """The first lock of every request that takes something. Raises Conflict if it is closed, AccountSuspended.

    Without its key: whoever writes rows that refer to the account proves at his commit that it is there, and must not wait.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
    if account.state == Account.State.CLOSED:
        raise Conflict(f"The account {account.slug} is closed.")
    if account.state == Account.State.SUSPENDED:
        raise AccountSuspended(f"The account {account.slug} is suspended: it can read, stop and delete, but not make or change.")
    return account


def demand_room(account: Account, asked: Mapping[str, int]) -> list[LimitUse]:
    """Refuse what would exceed a limit; the caller holds the account's lock. Answers these limits as they will be after.

    Raises LimitExceeded naming each limit with what is used, asked and free.
    """
    after, short = [], []
    for line in _counted_with(account, asked):
        want = asked.get(line.resource, 0)
        after.append(LimitUse(line.resource, line.used + want, line.limit))
        if want and line.limit is not None and line.used + want > line.limit:
            short.append(f"{line.resource}: {line.used} of {line.limit} used, {want} asked")
    if short:
        raise LimitExceeded(
            "This would exceed a limit of the account (" + "; ".join(short) + "). "
            "Delete something, empty the trash, or ask for a higher limit.",
            context={"short": short},
        )
    return after
