"""`manage.py account`: open, list, suspend and resume accounts."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from accounts.actor import system
from accounts.models import Account
from accounts.services.accounts import open_account, set_account_state
from accounts.services.find import find_account, find_user
from mcp.commands import Options, VerbCommand

STATES = {"suspend": Account.State.SUSPENDED, "resume": Account.State.ACTIVE}


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Accounts: the tenants."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        add = self.verb("open", self._open, "open an account")
        add.add_argument("slug", help="2 to 32 of a-z, 0-9 and -; part of DNS names, never changes")
        add.add_argument("--name", default="", help="default: the slug")
        add.add_argument("--owner", default="", metavar="USER", help="its first owner (./manage.py user add)")
        self.verb("list", self._list, "all accounts", shows=True)
        for verb, text in (("suspend", "let it read and delete, but make nothing new"), ("resume", "undo suspend")):
            parser = self.verb(verb, self._set_state, text)
            parser.add_argument("account")
            parser.add_argument("--reason", default="")

    def _open(self, options: Options) -> None:
        owner = find_user(options["owner"]) if options["owner"] else None
        name = options["name"] or options["slug"]
        account = open_account(actor=system("command line"), slug=options["slug"], name=name, owner=owner)
        self.say(f"Opened account {account.slug}.")

    def _list(self, options: Options) -> None:
        rows = [_line(row) for row in Account.objects.annotate(n_members=Count("memberships"))]
        self.show(options, rows, "There is no account yet: ./manage.py account open SLUG --owner USER")

    def _set_state(self, options: Options) -> None:
        account = set_account_state(
            actor=system("command line"), account=find_account(options["account"]), state=STATES[options["verb"]],
            reason=options["reason"],
        )  # fmt: skip
        self.say(f"Account {account.slug} is {account.state}.")


def _line(row: Any) -> dict[str, Any]:
    return {"account": row.slug, "name": row.name, "state": row.state, "members": row.n_members, "opened": row.created_at}
