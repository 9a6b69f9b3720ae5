"""Who acts: the one value that edges (API, portal, console, command line) hand to services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Account, ApiKey, User
from accounts.permissions import Role, allowed
from mcp.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller. `label` is what the audit trail keeps; `account` is None for operators of the installation."""

    label: str
    account: Account | None
    role: str
    scopes: Sequence[str] = ("*",)
    user: User | None = None
    api_key: ApiKey | None = None
    source: str = ""
    is_operator: bool = False

    @property
    def account_id(self) -> UUID | None:
        """The account acted for."""
        return None if self.account is None else self.account.pk

    @property
    def owner_key(self) -> str:
        """Whose idempotency keys and request budget it uses: the account's, else the key's own."""
        if self.account is not None:
            return f"account:{self.account.pk}"
        return f"key:{self.api_key.pk}" if self.api_key is not None else f"actor:{self.label}"

    @property
    def is_authenticated(self) -> bool:
        """Always: an actor is somebody who was recognised (Django and REST framework ask)."""
        return True

    def may(self, permission: str) -> bool:
        """Whether role and scopes allow it."""
        return self.is_operator or allowed(self.role, self.scopes, permission)

    def demand(self, permission: str) -> None:
        """Raise Forbidden unless allowed; the sentence names what is missing and who can help."""
        if not self.may(permission):
            raise Forbidden(
                f"This needs the permission {permission}; your role is {self.role}"
                + ("" if "*" in self.scopes else f" with scopes {', '.join(self.scopes)}")
                + ". Ask an owner or administrator of the account for another role or key.",
                context={"permission": permission, "role": self.role},
            )

    def demand_account(self) -> Account:
        """The account, for verbs that need one. Raises Forbidden for operators' keys, which have none."""
        if self.account is None:
            raise Forbidden("This verb acts in an account; use a key of that account.")
        return self.account


def system(source: str = "mcp") -> Actor:
    """MCP itself: reconcilers, timers, the command line run by the operator of the machine."""
    return Actor(label="system", account=None, role=Role.OWNER, source=source, is_operator=True)
