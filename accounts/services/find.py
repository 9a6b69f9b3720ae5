"""Find accounts and people by what operators type."""

from __future__ import annotations

from accounts.models import Account, User
from mcp.errors import NotFound


def find_account(slug: str) -> Account:
    """An account by its slug. Raises NotFound."""
    account = Account.objects.filter(slug=slug).first()
    if account is None:
        raise NotFound(f"There is no account {slug[:60]!r}; `./manage.py account list` shows them.")
    return account


def find_user(username: str) -> User:
    """A person by user name. Raises NotFound."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"Nobody signs in as {username[:60]!r}; add them with `./manage.py user add {username[:60]}`.")
    return user
