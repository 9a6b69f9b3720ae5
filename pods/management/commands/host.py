"""`manage.py host`: enrol machines and say what is to become of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.actor import system
from mcp.commands import Options, VerbCommand, confirmed, key_values, words
from pods.gear.hypervisor.base import HostFacts
from pods.gear.registry import DRIVERS
from pods.gear.transport.target import fingerprint, parse_public_key
from pods.management.moving import add_run_options, begin, moment
from pods.models import Host
from pods.services.duty import set_duty
from pods.services.edit_host import edit_host
from pods.services.enrol import HostWish, add_host, probe_host, reprobe_host, unusable
from pods.services.evacuate import evacuate
from pods.services.find import find_host, find_pod
from pods.services.lending import schedule_of
from pods.services.spot import must_give_back
from pods.services.windows import plan_window
from pods.states import HostDuty, SpotUse

DUTIES = {
    "drain": (HostDuty.DRAINING, "take no new guests, so that it empties"),
    "maintenance": (HostDuty.MAINTENANCE, "take no new guests, and do not worry when it does not answer"),
    "resume": (HostDuty.ACTIVE, "take guests again"),
    "retire": (HostDuty.RETIRED, "strike it off; only when it holds no guest"),
}
SKEW_WORTH_SAYING_MS = 1000


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Hosts: machines that run guests."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        add = self.verb("add", self._add, "look at a machine, show what was found, pin its host key and enrol it")
        add.add_argument("address", help="where its sshd answers")
        add.add_argument("--pod", required=True)
        add.add_argument("--name", default="", help="default: made from the address")
        add.add_argument("--port", type=int, default=22)
        add.add_argument("--user", default="root")
        add.add_argument("--driver", default="lxc", choices=sorted(DRIVERS))
        add.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="for the driver; repeatable")
        add.add_argument("--host-key", default="", metavar="'TYPE BASE64'", help="what it must show; default: what it shows now")
        add.add_argument("--yes", action="store_true", help="do not ask")
        listing = self.verb("list", self._list, "all hosts that are not retired", shows=True)
        listing.add_argument("--pod", default="")
        listing.add_argument("--all", action="store_true", help="retired ones, too")
        self.verb("probe", self._probe, "look again, and record what changed", shows=True).add_argument("host")
        lend = self.verb("lend", self._lend, "say when it lends its idle room to preemptible accelerators")
        lend.add_argument("host", help="name, POD/NAME, address or id")
        lend.add_argument("spot", choices=SpotUse.values, metavar="WHEN", help=" or ".join(SpotUse.values))
        lend.add_argument(
            "--window", action="append", metavar="'DAYS FROM-UNTIL'",
            help="such as 'mon-fri 19:00-07:00', in the pod's time zone; repeatable; those it has unless told",
        )  # fmt: skip
        edit = self.verb("edit", self._edit, "say what it has, and whose guests it takes")
        edit.add_argument("host", help="name, POD/NAME, address or id")
        edit.add_argument("--traits", metavar="WORD,WORD", help="what it has: all of them, '' for none")
        whose = edit.add_mutually_exclusive_group()
        whose.add_argument("--exclusive", metavar="ACCOUNT", help="take the guests of this account only")
        whose.add_argument("--shared", action="store_true", help="take everybody's guests again")
        empty = self.verb("evacuate", self._evacuate, "move its guests to other hosts; shows the plan first", shows=True)
        empty.add_argument("host", help="name, POD/NAME, address or id")
        add_run_options(empty)
        for verb, (_, text) in DUTIES.items():
            parser = self.verb(verb, self._set_duty, text)
            parser.add_argument("host", help="name, POD/NAME, address or id")
            parser.add_argument("--reason", default="", help="kept with the host and in the audit trail")
            if verb == "maintenance":
                parser.add_argument("--from", dest="starts", default="", metavar="TIME", help="plan a window instead, announced")
                parser.add_argument("--until", default="", metavar="TIME", help="when that window ends; in UTC unless told")

    def _add(self, options: Options) -> None:
        wish = HostWish(
            address=options["address"], pod=find_pod(options["pod"]), name=options["name"], port=options["port"],
            user=options["user"], driver=options["driver"], host_key=options["host_key"],
            options=key_values(options["option"], "--option"),
        )  # fmt: skip
        host_key, facts = probe_host(wish)
        self._show_facts(facts)
        if host_key:
            self.say(f"  host key      {host_key.split()[0]} {fingerprint(parse_public_key(host_key)[1])}")
        if not facts.usable:
            raise unusable(wish.address, facts)
        if not options["yes"] and not confirmed(f"Enrol {wish.address} in pod {wish.pod.slug} and pin this host key?"):
            raise CommandError("Not enrolled. Compare the fingerprint with the machine's own, then say yes (or give --yes).")
        # What was shown is what gets pinned: the machine is held to that key from here on.
        host = add_host(actor=system("command line"), wish=replace(wish, host_key=host_key))
        self.say(
            f"Enrolled {host.name} in pod {wish.pod.slug}: room for {host.cap_memory_mib} MiB of memory, "
            f"{host.cap_disk_gib} GiB of disk, {host.cap_cpu_m / 1000:g} processors."
        )

    def _show_facts(self, facts: HostFacts) -> None:
        self.say(f"  processors    {facts.cpus} ({facts.architecture})")
        self.say(f"  memory        {facts.memory_mib} MiB")
        self.say(f"  disk          {facts.disk_gib} GiB, {facts.store_kind}")
        self.say(f"  substrate     {facts.substrate}, cgroup version {facts.cgroup_version}, kernel {facts.kernel}")
        warning = "  (set its clock: logs and leases would disagree)" if abs(facts.clock_skew_ms) > SKEW_WORTH_SAYING_MS else ""
        self.say(f"  clock skew    {facts.clock_skew_ms} ms{warning}")
        self.say(f"  bridges       {', '.join(facts.bridges) or 'none'}")
        for item in facts.missing:
            self.say(f"  {'MISSING' if item.fatal else 'missing'}       {item.what}: {item.remedy}")

    def _list(self, options: Options) -> None:
        hosts = Host.objects.select_related("pod").order_by("pod__slug", "name")
        if options["pod"]:
            hosts = hosts.filter(pod=find_pod(options["pod"]))
        if not options["all"]:
            hosts = hosts.exclude(duty=HostDuty.RETIRED)
        self.show(options, [_line(host) for host in hosts], "There is no host: ./manage.py host add ADDRESS --pod POD")

    def _probe(self, options: Options) -> None:
        host = reprobe_host(actor=system("command line"), host=find_host(options["host"]))
        if options["as_json"]:
            self.show_json(host.facts)
            return
        self.say(f"{host.name} answers. Recorded:")
        for name, value in host.facts.items():
            self.say(f"  {name.replace('_', ' '):<18}{value}")

    def _lend(self, options: Options) -> None:
        host = edit_host(
            actor=system("command line"), host=find_host(options["host"]), spot=options["spot"], spot_windows=options["window"]
        )
        when = f"{', '.join(host.spot_windows)} ({host.pod.time_zone})" if host.spot == SpotUse.WINDOWS else host.spot
        self.say(f"{host.name} lends idle room: {when}.")
        if host.spot_memory_mib and must_give_back(schedule_of(host), timezone.now()):
            self.say(f"What runs there now is told to leave within {settings.PREEMPT_NOTICE_S:g} s.")

    def _edit(self, options: Options) -> None:
        wanted: dict[str, Any] = {"traits": None if options["traits"] is None else words(options["traits"])}
        wanted["exclusive_account"] = "" if options["shared"] else options["exclusive"]
        host = edit_host(actor=system("command line"), host=find_host(options["host"]), **wanted)
        whose = f"the account {host.exclusive_account_id} alone" if host.exclusive_account_id else "everybody"
        self.say(f"{host.name} has {', '.join(host.traits) or 'no traits'} and takes the guests of {whose}.")

    def _evacuate(self, options: Options) -> None:
        host, who = find_host(options["host"]), system("command line")
        begin(self, options, lambda: evacuate(actor=who, host=host, parallel=options["parallel"], reason=options["reason"]))

    def _plan_window(self, options: Options) -> None:
        window = plan_window(
            actor=system("command line"), place=find_host(options["host"]), starts_at=moment(options["starts"], "--from"),
            ends_at=moment(options["until"], "--until"), reason=options["reason"],
        )  # fmt: skip
        self.say(f"Planned and announced: {window} ({window.pk}).")

    def _set_duty(self, options: Options) -> None:
        if options.get("starts") or options.get("until"):
            self._plan_window(options)
            return
        duty, _ = DUTIES[options["verb"]]
        host = set_duty(actor=system("command line"), host=find_host(options["host"]), duty=duty, reason=options["reason"])
        self.say(f"{host.name} is {host.duty}; it holds {host.guests} guests.")


def _line(host: Host) -> dict[str, Any]:
    return {
        "pod": host.pod.slug,
        "host": host.name,
        "state": str(host.state),
        "address": f"{host.address}:{host.port}",
        "driver": host.driver,
        "guests": host.guests,
        "memory_mib": f"{host.used_memory_mib}/{host.cap_memory_mib}",
        "disk_gib": f"{host.used_disk_gib}/{host.cap_disk_gib}",
        "cpu": f"{host.used_cpu_m / 1000:g}/{host.cap_cpu_m / 1000:g}",
        "lends": f"{host.spot} {host.spot_memory_mib} MiB" if host.spot_memory_mib else host.spot,
        "last_seen": host.last_seen_at,
        "traits": " ".join(host.traits),
        "reason": host.duty_reason or host.last_error[:60],
    }
