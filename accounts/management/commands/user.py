"""`manage.py user`: people who sign in."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from accounts.actor import system
from accounts.models import User
from accounts.services.find import find_user
from accounts.services.users import add_user, set_password
from mcp.commands import Options, VerbCommand


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "People who sign in to the portal or the console."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        add = self.verb("add", self._add, "add a person; without --password-stdin a password is made and printed once")
        add.add_argument("username")
        add.add_argument("--email", default="")
        add.add_argument("--operator", action="store_true", help="an operator of the whole installation")
        change = self.verb("password", self._password, "set a new password")
        change.add_argument("username")
        for parser in (add, change):
            parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        self.verb("list", self._list, "everybody", shows=True)

    def _add(self, options: Options) -> None:
        given = _given(options)
        user, password = add_user(
            actor=system("command line"), username=options["username"], password=given, email=options["email"],
            operator=options["operator"],
        )  # fmt: skip
        self.say(f"Added {user.username}{' as an operator' if options['operator'] else ''}.")
        self._reveal(given, password)

    def _password(self, options: Options) -> None:
        given = _given(options)
        password = set_password(actor=system("command line"), user=find_user(options["username"]), password=given)
        self.say("The password is set.")
        self._reveal(given, password)

    def _reveal(self, given: str, password: str) -> None:
        if not given:
            self.say(f"Password (shown once): {password}")

    def _list(self, options: Options) -> None:
        self.show(
            options, [_line(user) for user in User.objects.prefetch_related("memberships__account")], "There is nobody yet."
        )


def _given(options: Options) -> str:
    """From standard input, never from an argument that every process on the machine can read."""
    if not options["password_stdin"]:
        return ""
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _line(user: User) -> dict[str, Any]:
    return {
        "user": user.username,
        "email": user.email,
        "operator": user.is_staff,
        "active": user.is_active,
        "accounts": ", ".join(f"{row.account.slug} ({row.role})" for row in user.memberships.all()),
        "last_login": user.last_login,
    }
