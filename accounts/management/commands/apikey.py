"""`manage.py apikey`: keys for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.actor import Actor, system
from accounts.models import Account, ApiKey, Membership, User
from accounts.permissions import Role
from accounts.services.api_keys import create_api_key, issue, revoke_api_key
from accounts.services.find import find_account, find_user
from mcp.commands import Options, VerbCommand, identifier
from mcp.errors import Conflict, InvalidInput, NotFound


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "API keys of accounts and of operators."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        make = self.verb("make", self._make, "make a key; it is printed once")
        whose = make.add_mutually_exclusive_group(required=True)
        whose.add_argument("--account", default="", help="a key of this account")
        whose.add_argument("--operator", action="store_true", help="a key of the installation's operators")
        make.add_argument("--user", default="", help="whom it belongs to; default: the account's first owner, the first operator")
        make.add_argument("--name", default="command-line")
        make.add_argument("--role", choices=Role.values, default=Role.OWNER)
        make.add_argument(
            "--scope", action="append", metavar="PERMISSION", help="narrow it, such as accelerators.read; repeatable"
        )
        make.add_argument("--days", type=int, default=0, help="let it expire after so many days")
        self.verb("list", self._list, "keys that are not revoked", shows=True)
        self.verb("revoke", self._revoke, "make a key useless at once").add_argument("id")

    def _make(self, options: Options) -> None:
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        scopes = options["scope"] or ["*"]
        if options["operator"]:
            user = find_user(options["user"]) if options["user"] else _an_operator()
            _demand_free_name(options["name"])
            _, key = issue(account=None, user=user, name=options["name"], scopes=scopes, expires_at=expires_at)
        else:
            account = find_account(options["account"])
            user = find_user(options["user"]) if options["user"] else _an_owner(account)
            actor = Actor("command line", account, Role.OWNER, user=user, source="command line", is_operator=True)
            _, key = create_api_key(actor=actor, name=options["name"], role=options["role"], scopes=scopes, expires_at=expires_at)
        self.say(key)

    def _list(self, options: Options) -> None:
        rows = ApiKey.objects.filter(revoked_at__isnull=True).select_related("account", "user")
        self.show(options, [_line(row) for row in rows], "There is no key.")

    def _revoke(self, options: Options) -> None:
        row = ApiKey.objects.filter(pk=identifier(options["id"], "id")).first()
        if row is None:
            raise NotFound(f"There is no key {options['id']}; `./manage.py apikey list` shows them.")
        revoke_api_key(actor=system("command line"), row=row)
        self.say(f"{row} is revoked.")


def _demand_free_name(name: str) -> None:
    if ApiKey.objects.filter(account=None, name=name, revoked_at__isnull=True).exists():
        raise Conflict(f"name: there is an operator's key named {name!r} already; give --name, or revoke that one.")


def _an_operator() -> User:
    user = User.objects.filter(is_staff=True, is_active=True).order_by("date_joined").first()
    if user is None:
        raise InvalidInput.on("--user", "there is no operator yet: ./manage.py user add NAME --operator")
    return user


def _an_owner(account: Account) -> User:
    row = Membership.objects.filter(account=account, role=Role.OWNER).select_related("user").order_by("created_at").first()
    if row is None:
        raise InvalidInput.on("--user", f"the account {account.slug} has no owner; name a person.")
    return row.user


def _line(row: ApiKey) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "prefix": f"{row.prefix}…",
        "account": row.account.slug if row.account else "(operators)",
        "user": row.user.username,
        "role": row.role,
        "scopes": ",".join(row.scopes),
        "expires": row.expires_at,
        "last_used": row.last_used_at,
    }
