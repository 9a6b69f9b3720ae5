"""The lab's command line: `python -m lab up|down|status|host|requirements`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

from lab import pod as pods
from lab import requirements
from lab.errors import LabError
from lab.plan import parse_subnet
from lab.pod import Pod


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = _verb(verbs, "up", "build a pod, or complete the one that stands")
    up.add_argument("--hosts", type=int, default=pods.DEFAULT_HOSTS, metavar="N", help="1 to 5")
    up.add_argument("--subnet", metavar="CIDR", help="lower half for guests, upper half for management; default: a free /22")
    up.add_argument("--store-gib", type=int, default=pods.DEFAULT_STORE_GIB, metavar="N", help="size of each host's disk")
    down = _verb(verbs, "down", "remove a pod without a trace")
    down.add_argument("--keep", action="store_true", help="keep disks and keys, so that `up` brings the same hosts back")
    _verb(verbs, "status", "show a pod").add_argument("--json", action="store_true")
    host = verbs.add_parser("host", help="do something to one host")
    actions = host.add_subparsers(dest="action", required=True)
    for action in ("start", "stop", "restart", "cut", "heal", "ssh", "exec"):
        _host_verb(actions, action)
    verbs.add_parser("requirements", help="what this machine lacks")
    return parser


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument("name", metavar="NAME", help="the pod's name, 1 to 8 characters a-z0-9")
    parser.add_argument("--state-dir", type=Path, help="default: var/lab/NAME")
    return parser


def _host_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> None:
    parser = _verb(verbs, name, f"{name} one host")
    parser.add_argument("host", metavar="HOST")
    if name in ("ssh", "exec"):
        parser.add_argument("command", nargs="*", metavar="-- COMMAND")


def _up(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    pod = Pod.up(
        arguments.name,
        hosts=arguments.hosts,
        subnet=parse_subnet(arguments.subnet) if arguments.subnet else None,
        store_gib=arguments.store_gib,
        state_dir=arguments.state_dir,
    )
    print(f"pod {pod.name} stands after {time.monotonic() - began:.2f} s: {len(pod.hosts)} hosts, guests in {pod.subnet}")
    return _show(pod)


def _down(arguments: argparse.Namespace) -> int:
    Pod.down(arguments.name, state_dir=arguments.state_dir, keep=arguments.keep)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    pod = Pod.load(arguments.name, state_dir=arguments.state_dir)
    if arguments.json:
        print(json.dumps(_facts(pod), indent=1))
        return 0
    return _show(pod)


def _facts(pod: Pod) -> dict[str, object]:
    states = {status.name: dataclasses.asdict(status) for status in pod.status()}
    return {
        "name": pod.name,
        "subnet": str(pod.subnet),
        "gateway": str(pod.gateway),
        "management": str(pod.management),
        "resolvers": list(pod.resolvers),
        "guest_pool": [str(address) for address in pod.guest_pool],
        "ssh_key_path": str(pod.ssh_key_path),
        "state_dir": str(pod.state_dir),
        "hosts": [{**dataclasses.asdict(host), **states[host.name]} for host in pod.hosts],
    }


def _show(pod: Pod) -> int:
    first, last = pod.guest_pool
    print(f"guests {first} to {last}, gateway {pod.gateway}; key {pod.ssh_key_path}")
    for status in pod.status():
        power = "running" if status.running else "off"
        cable = "" if status.plugged or not status.running else ", cut off"
        print(f"{status.name}  {status.address}  {power}{cable}, {status.processes} processes, {status.disk_mib} MiB on disk")
    return 0


def _host(arguments: argparse.Namespace) -> int:
    pod = Pod.load(arguments.name, state_dir=arguments.state_dir)
    if arguments.action == "exec":
        return pods.run_here(pod.exec_command(arguments.host, arguments.command or ["/bin/bash"]))
    if arguments.action == "ssh":
        return pods.run_here(pod.ssh_command(arguments.host, *arguments.command))
    verbs = {
        "start": pod.start_host,
        "stop": pod.stop_host,
        "restart": pod.restart_host,
        "cut": pod.cut_host,
        "heal": pod.heal_host,
    }
    verbs[arguments.action](arguments.host)
    return 0


def _requirements(_: argparse.Namespace) -> int:
    print(requirements.reason() or "the pod in a box can run here")
    return 1 if requirements.reason() else 0


def main() -> int:
    """Run one command; answers the exit code."""
    arguments = _parser().parse_args()
    verbs = {"up": _up, "down": _down, "status": _status, "host": _host, "requirements": _requirements}
    try:
        return verbs[arguments.verb](arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
