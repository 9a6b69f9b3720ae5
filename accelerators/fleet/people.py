"""Accounts from one accelerator to hundreds, with their people, keys and limits."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.db.models import Model

from accelerators.fleet.draw import Draw
from accounts.models import Account, AccountLimit, ApiKey, Membership, SshKey, User
from accounts.models.account import DEFAULT_LIMITS
from accounts.permissions import Role

ROLES = {Role.ADMIN: 0.3, Role.OPERATOR: 0.4, Role.VIEWER: 0.2, Role.BILLING: 0.1}
FIRST = (
    "Ada", "Alan", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Joan", "Ken", "Leslie",
    "Margaret", "Niklaus", "Radia", "Tony",
)  # fmt: skip
TRADES = (
    "Pictures", "Games", "Travel", "Books", "Foods", "Labs", "Media", "Sports", "Maps", "Music", "Post", "Robotics", "Shoes",
    "Software", "Tools", "Weather",
)  # fmt: skip
STATES = {Account.State.SUSPENDED: 0.01}
# One account in so many has a second person's worth of everything.
LARGEST = 0.006


@dataclass(slots=True)
class Tenant:
    """An account with what its accelerators need to know of it; `wants` of them."""

    account: Account
    owner: str
    wants: int
    public_keys: list[str]


@dataclass(slots=True)
class People:
    """All tenants, and the rows that are to be written, model by model in order."""

    tenants: list[Tenant]
    rows: list[list[Model]]


def sizes(draw: Draw, accelerators: int, accounts: int) -> list[int]:
    """So many accelerators shared out with a long tail: most accounts have a few, a few have hundreds. At least one each."""
    most = max(20, int(accelerators * LARGEST))
    tails = sorted((draw.chance.paretovariate(1.05) for _ in range(accounts)), reverse=True)
    left = accelerators - accounts
    scale = left / sum(min(tail, tails[len(tails) // 100] * 4) for tail in tails)
    found = [1 + min(int(tail * scale), most - 1, left) for tail in tails]
    _even_out(found, accelerators, most)
    return found


def _even_out(found: list[int], total: int, most: int) -> None:
    """One more or less, again and again from the small ones up, until the sum is right."""
    missing, number = total - sum(found), len(found) - 1
    while missing:
        step = 1 if missing > 0 else -1
        if 1 <= found[number] + step <= max(most, -(-total // len(found))):
            found[number] += step
            missing -= step
        number = number - 1 if number else len(found) - 1


def make_people(draw: Draw, world: str, wanted: list[int]) -> People:
    """One account a size, the largest first."""
    states = draw.spread_out(STATES, len(wanted), Account.State.ACTIVE)
    rows: list[list[Model]] = [[], [], [], [], [], []]
    tenants = [_tenant(draw, world, number, size, rows) for number, size in enumerate(wanted, 1)]
    for tenant, state in zip(tenants, states, strict=True):
        tenant.account.state = state
    return People(tenants, rows)


def _tenant(draw: Draw, world: str, number: int, size: int, rows: list[list[Model]]) -> Tenant:
    accounts, users, members, ssh_keys, api_keys, _ = rows
    born = draw.ago(timedelta(days=800), timedelta(days=401))
    account = Account(
        id=draw.id_at(born), slug=f"{world}-c{number}", name=f"{draw.one(FIRST)}’s {draw.one(TRADES)}", created_at=born
    )
    people = [_person(draw, account, n) for n in range(1 + min(size // 12, 20))]
    accounts.append(account)
    users += people
    for n, person in enumerate(people):
        role = Role.OWNER if n == 0 else draw.weighted(ROLES)
        members.append(Membership(id=draw.id_at(born), account=account, user=person, role=role, created_at=born))
    keys = [_ssh_key(draw, account, n) for n in range(1 + min(size // 30, 8))]
    ssh_keys += keys
    api_keys += [_api_key(draw, account, people[0], n) for n in range(1 + min(size // 40, 8))]
    return Tenant(account, people[0].username, size, [key.public_key for key in keys])


def _person(draw: Draw, account: Account, number: int) -> User:
    username = f"{draw.one(FIRST).lower()}{number or ''}@{account.slug}.example"
    return User(
        id=draw.id_at(account.created_at), username=username, email=username, password=make_password(None),
        date_joined=account.created_at,
    )  # fmt: skip


def _ssh_key(draw: Draw, account: Account, number: int) -> SshKey:
    """Well-formed; nobody has the private half."""
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + draw.chance.randbytes(32)
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return SshKey(
        id=draw.id_at(account.created_at), account=account, name=f"laptop-{number + 1}",
        public_key=f"ssh-ed25519 {base64.b64encode(blob).decode()}", fingerprint=f"SHA256:{digest}",
        created_at=account.created_at,
    )  # fmt: skip


def _api_key(draw: Draw, account: Account, owner: User, number: int) -> ApiKey:
    """Its digest is that of its own id: no key opens it."""
    key = draw.id_at(account.created_at)
    return ApiKey(
        id=key, account=account, user=owner, name=f"deploy-{number + 1}", scopes=["*"],
        prefix=f"mcp_{draw.chance.randbytes(3).hex()}", digest=hashlib.sha256(key.bytes).hexdigest(),
        created_at=account.created_at, last_used_at=draw.ago(timedelta(days=60)), last_used_from="192.0.2.7",
    )  # fmt: skip


def limits_beyond(account: Account, used: dict[str, int]) -> list[AccountLimit]:
    """Exceptions for what an account holds beyond the usual: half as much again, in round hundreds."""
    found = []
    for resource, amount in used.items():
        usual = DEFAULT_LIMITS[resource]
        if usual is not None and amount > usual:
            found.append(AccountLimit(account=account, resource=resource, limit=-(-amount * 3 // 200) * 100))
    return found
