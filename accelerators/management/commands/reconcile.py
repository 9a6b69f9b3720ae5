"""`manage.py reconcile`: look at hosts now instead of waiting for the next period."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accelerators.services.reconcile import reconcile_host
from mcp.commands import with_sentences
from pods.gear.errors import GearError
from pods.models import DriftFinding, Host
from pods.services.find import find_host
from pods.states import FindingState, HostDuty


class Command(BaseCommand):
    """Exit code 1 when a host does not answer."""

    help = "Compare hosts with the database now; print the open findings. Changes nothing on hosts."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See help."""
        parser.add_argument("host", nargs="?", default="", help="one host; default: all that are not retired")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """See class."""
        with_sentences(lambda: self._run(options["host"], as_json=options["as_json"]))

    def _run(self, wanted: str, *, as_json: bool) -> None:
        rows = Host.objects.exclude(duty=HostDuty.RETIRED).select_related("pod").order_by("pod__slug", "name")
        hosts = [find_host(wanted)] if wanted else list(rows)
        results = [_look(host) for host in hosts]
        if as_json:
            self.stdout.write(json.dumps(results, indent=2, default=str))
        else:
            self._tell(results)
        if silent := [result["host"] for result in results if result["error"]]:
            raise CommandError(f"No answer from {', '.join(silent)}.")

    def _tell(self, results: list[dict[str, Any]]) -> None:
        for result in results:
            outcome = result["error"] or f"{len(result['findings'])} open findings"
            self.stdout.write(f"{result['pod']}/{result['host']}: {outcome}")
            for finding in result["findings"]:
                self.stdout.write(f"  {finding['id']}  {finding['sentence']}")


def _look(host: Host) -> dict[str, Any]:
    result: dict[str, Any] = {"pod": host.pod.slug, "host": host.name, "error": "", "findings": []}
    try:
        reconcile_host(host)
    except GearError as error:
        return result | {"error": error.detail}
    rows = DriftFinding.objects.filter(host=host, state=FindingState.OPEN)
    result["findings"] = [{"id": str(row.pk), "kind": row.kind, "sentence": row.sentence} for row in rows]
    return result
