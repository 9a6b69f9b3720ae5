"""`manage.py whatif`: what would happen if hosts or pods were lost, drained or added, or more of a plan were wanted."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand

from accelerators.services.whatif import ask_what_if
from accounts.actor import system
from mcp.commands import Options, table, with_sentences
from pods.placement.request import DIMENSIONS
from pods.services.whatif_question import Question
from pods.services.whatif_words import reason_words

SHOWN_PODS = 60


class Command(BaseCommand):
    """Everything in one question is supposed at once; nothing changes."""

    help = (
        "What if hosts or pods were lost, drained or added, or more of a plan were wanted? Without a question: how things stand."
    )
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The question's fields; the lists may be repeated."""
        host = "a name, POD/NAME, an address or an id; repeatable"
        parser.add_argument("--lose-host", action="append", default=[], metavar="HOST", help=host)
        parser.add_argument("--lose-pod", action="append", default=[], metavar="POD", help="repeatable")
        parser.add_argument("--drain", action="append", default=[], metavar="HOST", help=f"empty it within its pod: {host}")
        parser.add_argument("--add-hosts", type=int, default=0, metavar="N", help="so many hosts more")
        parser.add_argument("--like", default="", metavar="HOST", help="the host that they are like, in its pod")
        parser.add_argument("--plan", default="", metavar="PLAN", help="a plan of which more is wanted")
        parser.add_argument("--count", type=int, default=0, metavar="N", help="how many of it")
        parser.add_argument("--pod", default="", metavar="POD", help="where they are to go; anywhere unless told")
        parser.add_argument("--location", default="", metavar="PLACE", help="the same, by location")
        parser.add_argument("--headroom", action="append", default=[], metavar="POD", help="tell N+1 of this pod; repeatable")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask and print."""
        with_sentences(lambda: self._ask(options))

    def _ask(self, options: Options) -> None:
        fields: dict[str, Any] = {name: options[name] for name in Question.__dataclass_fields__}
        found = ask_what_if(actor=system("command line"), question=Question(**fields))
        self.stdout.write(json.dumps(found, indent=2) if options["as_json"] else "\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield found["sentence"]
    yield from _rehomed("Lost hosts' guests", found["lost"])
    yield from _rehomed("Drained hosts' guests", found["drained"])
    yield from _rehomed("Preemptible guests (owed no place)", found["preemptible"])
    if found["displaced_hosts"]:
        yield f"Preemptible guests would have to leave {found['displaced_hosts']} hosts."
    yield from _more(found["more"])
    yield from _pods(found["pods"])
    yield from _stranded(found["stranded_hosts"])
    for one in found["headroom"]:
        yield from _headroom(one)
    if found["headroom_left_out"]:
        yield f"N+1 not told of {', '.join(found['headroom_left_out'])}: name one with --headroom."


def _rehomed(title: str, part: Mapping[str, Any]) -> Iterator[str]:
    if not part["guests"]:
        return
    where = ", ".join(f"{number} in {pod}" for pod, number in part["pods"].items())
    yield f"\n{title}: {part['placed']} of {part['guests']} find a host{f' ({where})' if where else ''}."
    for reason, number in part["reasons"].items():
        yield f"  {number} find none {reason_words(reason)}"
    if part["left_over"]:
        yield table([{**one, "guest": _guest(one["guest"])} for one in part["left_over"]])


def _guest(guest: Mapping[str, str]) -> str:
    return f"{guest['account']}/{guest['name']}" if guest["account"] else guest["name"]


def _more(more: Mapping[str, Any] | None) -> Iterator[str]:
    if more is None:
        return
    where = ", ".join(f"{number} in {pod}" for pod, number in more["pods"].items())
    yield f"\nMore of {more['plan']}: {more['placed']} of {more['count']} fit{f' ({where})' if where else ''}."
    if more["placed"] < more["count"]:
        told = more["explanation"]
        counts = {**told["removed"], **{f"short of {word}": number for word, number in told["short"].items()}}
        out = ", ".join(f"{word} {number}" for word, number in counts.items() if number)
        yield f"  Of {told['evaluated']} hosts left out then: {out}."


def _pods(pods: list[Mapping[str, Any]]) -> Iterator[str]:
    rows = [
        {
            "pod": pod["pod"],
            "hosts": pod["hosts"],
            **{f"{name}_free": f"{pod[name]['free']}/{pod[name]['cap']}" for name in DIMENSIONS},
            "ends_first": pod["ends_first"],
            "runway": pod["runway"]["sentence"],
        }
        for pod in pods[:SHOWN_PODS]
    ]
    if rows:
        yield f"\nPods then{f' (the first {SHOWN_PODS} of {len(pods)})' if len(pods) > SHOWN_PODS else ''}:"
        yield table(rows)
        yield "\nRoom for so many more, if all were of one plan:"
        yield table([{"pod": pod["pod"], **pod["plans"]} for pod in pods[:SHOWN_PODS]])


def _stranded(hosts: list[Mapping[str, Any]]) -> Iterator[str]:
    if hosts:
        yield "\nRoom that no plan can use, because another dimension is gone; the worst hosts:"
        yield table(hosts)


def _headroom(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nN+1 of {one['pod']}: the loss of {one['absorbed']} of {one['hosts']} hosts could be absorbed."
    if one["not_absorbed"]:
        yield table([{"host": host["host"], "guests_left_over": host["left_over"]} for host in one["not_absorbed"]])
