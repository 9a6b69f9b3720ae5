"""`manage.py pod`: pods and their networks."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db.models import Sum

from accounts.actor import system
from mcp.commands import Options, VerbCommand
from mcp.errors import InvalidInput
from pods.management.moving import add_run_options, begin
from pods.models import Pod
from pods.services.edit_pod import edit_pod
from pods.services.enrol import NetworkWish, add_pod
from pods.services.find import find_pod
from pods.services.pod_state import set_pod_state
from pods.services.rebalance import MINIMUM_GAIN, rebalance
from pods.states import PodState

VERBS = {"open": PodState.OPEN, "drain": PodState.DRAINING, "close": PodState.CLOSED}
TEXTS = {
    "open": "let the pod take new guests",
    "drain": "let it take no new guests; what runs goes on",
    "close": "the same, and hide it from customers",
}
FIELDS = ("name", "location", "cpu_overcommit", "memory_overcommit", "disk_overcommit", "dns_suffix", "queue", "time_zone")
RESERVES = ("reserve_memory_mib", "reserve_disk_gib")


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Pods: hosts on one network, with their gear."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        add = self.verb("add", self._add, "add a pod with its guests' network")
        add.add_argument("slug", help="2 to 24 of a-z, 0-9 and -; part of DNS names")
        add.add_argument("--network", required=True, metavar="CIDR", help="the guests' network, such as 10.1.0.0/22")
        add.add_argument("--gateway", metavar="IP")
        add.add_argument("--first", metavar="IP", help="first address to give out")
        add.add_argument("--last", metavar="IP", help="last address to give out")
        add.add_argument("--bridge", default="br0", help="the bridge on every host (default: br0)")
        add.add_argument("--ssh-key", metavar="FILE", help="the private key that opens its hosts; - reads standard input")
        add.add_argument("--resolver", action="append", metavar="IP", help="name server for guests; repeatable")
        _add_fields(add)
        self.verb("list", self._list, "all pods with what is used of them", shows=True)
        self.verb("show", self._show, "one pod", shows=True).add_argument("pod")
        zone = self.verb("time-zone", self._set_time_zone, "in which its hosts' windows are meant")
        zone.add_argument("pod")
        zone.add_argument("time_zone", metavar="ZONE", help="such as Europe/Amsterdam")
        edit = self.verb("edit", self._edit, "change a pod; overcommit and reserves reach each host with its next probe")
        edit.add_argument("pod")
        _add_fields(edit)
        even = self.verb("rebalance", self._rebalance, "make its hosts more alike; shows the plan first", shows=True)
        even.add_argument("pod")
        even.add_argument(
            "--minimum-gain", type=float, default=MINIMUM_GAIN, metavar="SHARE",
            help=f"by which each move must bring two hosts nearer (default: {MINIMUM_GAIN})",
        )  # fmt: skip
        add_run_options(even)
        for verb, text in TEXTS.items():
            self.verb(verb, self._set_state, text).add_argument("pod")

    def _add(self, options: Options) -> None:
        fields = _fields(options)
        network = NetworkWish(options["network"], options["gateway"], options["first"], options["last"], options["bridge"])
        pod = add_pod(
            actor=system("command line"), slug=options["slug"], network=network, ssh_key=_key(options["ssh_key"]),
            resolvers=options["resolver"] or [], **fields,
        )  # fmt: skip
        self.say(f"Added pod {pod.slug}. Next: ./manage.py host add ADDRESS --pod {pod.slug}")

    def _edit(self, options: Options) -> None:
        fields = _fields(options)
        pod = edit_pod(actor=system("command line"), pod=find_pod(options["pod"]), **fields)
        changed = ", ".join(f"{name.replace('_', ' ')} {getattr(pod, name)}" for name in fields)
        self.say(f"Pod {pod.slug}: {changed or 'nothing was given to change'}.")

    def _list(self, options: Options) -> None:
        self.show(options, [_line(pod) for pod in Pod.objects.all()], "There is no pod yet: ./manage.py pod add")

    def _show(self, options: Options) -> None:
        pod = find_pod(options["pod"])
        facts = (
            _line(pod) | {name: getattr(pod, name) for name in (*FIELDS, *RESERVES, "n_plus_one")} | {"resolvers": pod.resolvers}
        )
        facts["networks"] = [
            f"{n.slug} {n.cidr} on {n.bridge}, {n.range_first} to {n.range_last}, gateway {n.gateway}" for n in pod.networks.all()
        ]
        if options["as_json"]:
            self.show_json(facts)
            return
        for name, value in facts.items():
            self.say(f"{name.replace('_', ' '):<20}{', '.join(map(str, value)) if isinstance(value, list) else value}")

    def _set_time_zone(self, options: Options) -> None:
        pod = edit_pod(actor=system("command line"), pod=find_pod(options["pod"]), time_zone=options["time_zone"])
        self.say(f"The windows of pod {pod.slug} are meant in {pod.time_zone}.")

    def _rebalance(self, options: Options) -> None:
        pod, wish = find_pod(options["pod"]), {name: options[name] for name in ("minimum_gain", "parallel", "reason")}
        begin(self, options, lambda: rebalance(actor=system("command line"), pod=pod, **wish))

    def _set_state(self, options: Options) -> None:
        state = VERBS[options["verb"]]
        pod = set_pod_state(actor=system("command line"), pod=find_pod(options["pod"]), state=state)
        self.say(f"Pod {pod.slug} is {pod.state}.")


def _add_fields(parser: ArgumentParser) -> None:
    for name in FIELDS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float if name.endswith("overcommit") else str)
    for name in RESERVES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    parser.add_argument(
        "--n-plus-one", choices=["yes", "no"], help="refuse guests whose arrival would leave no room for those of one lost host"
    )


def _fields(options: Options) -> dict[str, Any]:
    """What was given of a pod."""
    fields = {name: options[name] for name in (*FIELDS, *RESERVES) if options[name] is not None}
    return fields | ({} if options["n_plus_one"] is None else {"n_plus_one": options["n_plus_one"] == "yes"})


def _key(source: str | None) -> str:
    if not source:
        return ""
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput.on("--ssh-key", f"{source} cannot be read as a private key: {exc}.") from exc


def _line(pod: Pod) -> dict[str, Any]:
    sums = pod.hosts.exclude(duty="retired").aggregate(
        memory=Sum("used_memory_mib"), memory_cap=Sum("cap_memory_mib"), disk=Sum("used_disk_gib"), disk_cap=Sum("cap_disk_gib"),
        guests=Sum("guests"),
    )  # fmt: skip
    return {
        "pod": pod.slug,
        "state": pod.state,
        "location": pod.location,
        "hosts": pod.hosts.exclude(duty="retired").count(),
        "guests": sums["guests"] or 0,
        "memory_mib": f"{sums['memory'] or 0}/{sums['memory_cap'] or 0}",
        "disk_gib": f"{sums['disk'] or 0}/{sums['disk_cap'] or 0}",
    }
