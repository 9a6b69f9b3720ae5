"""An account with its owner."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from accounts.actor import Actor, system
from accounts.models import Account, User
from accounts.permissions import Role
from accounts.services.accounts import open_account

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class People:
    """What `make_people` made."""

    account: Account
    user: User

    @property
    def actor(self) -> Actor:
        """The account's owner."""
        return Actor(label=self.user.username, account=self.account, role=Role.OWNER, user=self.user)


def make_people() -> People:
    """Another account each time."""
    user = User.objects.create_user(f"owner-{uuid4().hex[:6]}", password=PASSWORD)
    account = open_account(actor=system(), slug=f"acme-{uuid4().hex[:6]}", name="Acme", owner=user)
    return People(account, user)
