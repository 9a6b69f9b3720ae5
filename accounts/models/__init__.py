"""Rows of accounts, people and keys."""

from accounts.models.account import Account, AccountLimit
from accounts.models.api_key import ApiKey
from accounts.models.membership import Membership
from accounts.models.ssh_key import SshKey
from accounts.models.user import User

__all__ = ["Account", "AccountLimit", "ApiKey", "Membership", "SshKey", "User"]
