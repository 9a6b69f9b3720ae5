"""`manage.py maintenance`: windows in which hosts are worked on."""

from __future__ import annotations

from accounts.actor import system
from mcp.commands import Options, VerbCommand, identifier
from mcp.errors import NotFound
from pods.management.moving import moment
from pods.models import MaintenanceWindow
from pods.services.find import find_host, find_pod
from pods.services.move_words import present_window
from pods.services.windows import LIVE, cancel_window, plan_window
from pods.states import HostDuty

SHOWN = 50


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Maintenance windows: announced to everybody who has a guest there, opened and closed by the clock."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        plan = self.verb("plan", self._plan, "plan and announce a window")
        place = plan.add_mutually_exclusive_group(required=True)
        place.add_argument("--host", default="", help="name, POD/NAME, address or id")
        place.add_argument("--pod", default="", help="all its hosts")
        plan.add_argument("--from", dest="starts", required=True, metavar="TIME", help="such as 2026-12-01T08:00, in UTC")
        plan.add_argument("--until", required=True, metavar="TIME")
        plan.add_argument("--reason", required=True, help="what is done; customers read it")
        plan.add_argument("--duty", choices=["maintenance", "draining"], default="maintenance")
        listing = self.verb("list", self._list, "windows to come and open ones", shows=True)
        listing.add_argument("--all", action="store_true", help="those that are over, too")
        self.verb("cancel", self._cancel, "call it off; if it is open, its hosts go back now").add_argument("window")

    def _plan(self, options: Options) -> None:
        window = plan_window(
            actor=system("command line"), place=find_host(options["host"]) if options["host"] else find_pod(options["pod"]),
            starts_at=moment(options["starts"], "--from"), ends_at=moment(options["until"], "--until"),
            reason=options["reason"], duty=HostDuty(options["duty"]),
        )  # fmt: skip
        self.say(f"Planned and announced: {window} ({window.pk}).")

    def _list(self, options: Options) -> None:
        rows = MaintenanceWindow.objects.select_related("host", "pod")
        if not options["all"]:
            rows = rows.filter(state__in=LIVE)
        shown = ("id", "pod", "host", "starts_at", "ends_at", "duty", "state", "reason")
        lines = [{name: present_window(row)[name] for name in shown} for row in rows[:SHOWN]]
        self.show(options, lines, "There is no window: ./manage.py maintenance plan")

    def _cancel(self, options: Options) -> None:
        key = identifier(options["window"], "window")
        row = MaintenanceWindow.objects.select_related("host", "pod").filter(pk=key).first()
        if row is None:
            raise NotFound(f"There is no window {key}; `./manage.py maintenance list` shows them.")
        self.say(f"Cancelled: {cancel_window(actor=system('command line'), window=row)}.")
