"""A pod in a box: `up`, `load`, `status`, `down`. What is known of a pod lies in its state directory, as `pod.json`."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from lab import cgroups, host, network
from lab.errors import LabError
from lab.plan import HOSTS_AT_MOST, HostPlan, PodPlan, check_name, first_free, parse_subnet
from lab.plan import plan as make_plan
from lab.requirements import check_machine
from lab.shell import run

DEFAULT_STATE_DIR = Path("var/lab")
DEFAULT_HOSTS = 2
DEFAULT_STORE_GIB = 8


@dataclass(frozen=True, slots=True)
class Host:
    """What a control plane needs to know of one host."""

    name: str
    address: str
    host_key: str  # OpenSSH text, "ssh-ed25519 AAAA..."
    bridge: str = "br0"
    user: str = "root"
    port: int = 22
    store: str = "/var/lib/mcp/store"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """What one host is seen to do."""

    name: str
    address: str
    running: bool
    plugged: bool
    processes: int
    disk_mib: int  # what its disk image takes on the machine now


@dataclass(frozen=True, slots=True)
class Pod:
    """Facts of a pod that stands. Guests' addresses are reachable from the machine through `gateway`."""

    name: str
    subnet: IPv4Network  # guest traffic
    gateway: IPv4Address
    management: IPv4Network
    resolvers: tuple[str, ...]
    guest_pool: tuple[IPv4Address, IPv4Address]
    hosts: tuple[Host, ...]
    ssh_key_path: Path
    state_dir: Path
    plan: PodPlan

    @classmethod
    def up(
        cls,
        name: str,
        *,
        hosts: int = DEFAULT_HOSTS,
        subnet: IPv4Network | None = None,
        store_gib: int = DEFAULT_STORE_GIB,
        state_dir: Path | None = None,
    ) -> Pod:
        """Build the pod, or answer the one that stands (its stopped hosts are started). On failure nothing is left.

        Raises LabError, also when a pod of that name stands in another state directory.
        """
        directory = _directory(name, state_dir)
        if (directory / "pod.json").exists():
            return cls._resume(name, directory)
        return cls._make(name, subnet, hosts, store_gib, directory)

    @classmethod
    def _make(cls, name: str, subnet: IPv4Network | None, hosts: int, store_gib: int, directory: Path) -> Pod:
        check_machine()
        try:
            plan = _claim(name, subnet, hosts, store_gib, directory)
            _build(plan, directory, store_gib)
        except BaseException:
            _demolish_pod(name, directory)
            raise
        return cls.load(name, state_dir=directory)

    @classmethod
    def _resume(cls, name: str, directory: Path) -> Pod:
        """The pod on record, complete again: what half exists is built anew; a whole one that was put away, or went
        down with the machine, comes back with its disks, keys and addresses."""
        facts = _read(directory)
        plan = _plan_of(facts)
        if not facts["complete"]:
            return cls._make(name, plan.subnet, len(plan.hosts), facts["store_gib"], directory)
        if elsewhere := _belongs_elsewhere(plan, directory):
            raise LabError(f"a pod named {name} stands already, in {elsewhere}; choose another name or take it down")
        if plan.guest_bridge not in network.links():
            check_machine()
            with _machine_lock():
                network.build_bridges(plan, directory)
        _each(plan, lambda item: host.start(plan, item, directory / item.name))
        return cls.load(name, state_dir=directory)

    @classmethod
    def load(cls, name: str, *, state_dir: Path | None = None) -> Pod:
        """The facts of a pod that was built. Raises LabError if there is none."""
        directory = _directory(name, state_dir)
        plan = _plan_of(_read(directory))
        return cls(
            name=name,
            subnet=plan.guests,
            gateway=plan.gateway,
            management=plan.management,
            resolvers=(str(plan.gateway),),
            guest_pool=plan.guest_pool,
            hosts=tuple(
                Host(name=h.name, address=str(h.address), host_key=host.public_key(directory / h.name)) for h in plan.hosts
            ),
            ssh_key_path=directory / "ssh_key",
            state_dir=directory,
            plan=plan,
        )

    @classmethod
    def down(cls, name: str, *, state_dir: Path | None = None, keep: bool = False) -> None:
        """Remove everything of the pod, whatever state it is in; repeatable. With `keep` its files stay (disks and keys),
        so that `up` brings the same hosts back; nothing runs, is mounted or plugged in meanwhile.

        Raises LabError if the pod of that name was built with another state directory.
        """
        if elsewhere := _demolish_pod(name, _directory(name, state_dir), keep=keep):
            raise LabError(f"pod {name} was built in {elsewhere}; take it down with --state-dir {elsewhere}")

    def host(self, name: str) -> Host:
        """A host by name; raises LabError if the pod has none of that name."""
        self._planned(name)
        return next(h for h in self.hosts if h.name == name)

    def status(self) -> tuple[HostStatus, ...]:
        """What each host is seen to do now."""
        links = network.links()
        return tuple(self._host_status(item, links) for item in self.plan.hosts)

    def _host_status(self, item: HostPlan, links: dict[str, Any]) -> HostStatus:
        image = host.disk(self.state_dir / item.name)
        return HostStatus(
            name=item.name,
            address=str(item.address),
            running=host.init_process(self.state_dir / item.name) is not None,
            plugged="UP" in links.get(item.management_link, {}).get("flags", []),
            processes=len(cgroups.processes(item.cgroup)),
            disk_mib=image.stat().st_blocks // 2048 if image.exists() else 0,
        )

    def start_host(self, name: str) -> None:
        """Boot a host that is off, guests with autostart included; a no-op if it runs."""
        host.start(self.plan, self._planned(name), self.state_dir / name)

    def stop_host(self, name: str) -> None:
        """Pull a host's plug; repeatable. Its disk stays."""
        host.stop(self._planned(name), self.state_dir / name)

    def restart_host(self, name: str) -> None:
        """A hard restart: everything in the host dies, then it boots."""
        self.stop_host(name)
        self.start_host(name)

    def cut_host(self, name: str) -> None:
        """Cut a host off both networks; it goes on running."""
        network.set_plugged(self._planned(name), plugged=False)

    def heal_host(self, name: str) -> None:
        """Plug a host that was cut off back in; repeatable."""
        network.set_plugged(self._planned(name), plugged=True)

    def exec(self, name: str, *command: str, stdin: str = "", timeout_s: float = 60.0) -> str:
        """Run a command in a host without SSH and answer its output; raises LabError if it fails."""
        return run(*self.exec_command(name, command), stdin=stdin, timeout_s=timeout_s)

    def exec_command(self, name: str, command: Sequence[str]) -> list[str]:
        """The argument list that runs a command in a host."""
        return host.enter_command(self._planned(name), self.state_dir / name, command)

    def ssh_command(self, name: str, *command: str) -> list[str]:
        """The argument list of an `ssh` to the host that accepts no key but the pinned one."""
        known_hosts = self.state_dir / "known_hosts"
        options = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
        target = f"root@{self.host(name).address}"
        return ["ssh", "-F", "none", "-i", str(self.ssh_key_path), *options, target, *command]

    def _planned(self, name: str) -> HostPlan:
        for item in self.plan.hosts:
            if item.name == name:
                return item
        raise LabError(f"pod {self.name} has no host {name!r}; it has {', '.join(h.name for h in self.hosts)}")


def _directory(name: str, state_dir: Path | None) -> Path:
    return (state_dir or DEFAULT_STATE_DIR / check_name(name)).resolve()


def _read(directory: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((directory / "pod.json").read_text())
    except FileNotFoundError as error:
        raise LabError(f"there is no pod in {directory}; `python -m lab up` builds one") from error
    return facts


def _plan_of(facts: dict[str, Any]) -> PodPlan:
    return make_plan(facts["name"], ipaddress.IPv4Network(facts["subnet"]), facts["hosts"])


def _write(directory: Path, plan: PodPlan, *, store_gib: int, complete: bool) -> None:
    facts = {
        "name": plan.name,
        "subnet": str(plan.subnet),
        "hosts": len(plan.hosts),
        "store_gib": store_gib,
        "complete": complete,
    }
    part = directory / "pod.json.part"
    part.write_text(json.dumps(facts, indent=1) + "\n")
    part.replace(directory / "pod.json")


@contextlib.contextmanager
def _machine_lock() -> Iterator[None]:
    """One at a time chooses a subnet. The lock is on a directory that every machine has, so it leaves no file."""
    descriptor = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _claim(name: str, subnet: IPv4Network | None, hosts: int, store_gib: int, directory: Path) -> PodPlan:
    """Record the pod, then make its bridges: from here on the subnet is taken. What an unfinished `up` left is removed first,
    under the same lock, so that nobody takes its subnet meanwhile.
    """
    with _machine_lock():
        if (directory / "pod.json").exists():
            _demolish_pod(name, directory)
        chosen = subnet or first_free(network.networks_in_use())
        plan = make_plan(name, chosen, hosts)
        if elsewhere := _belongs_elsewhere(plan, directory):
            raise LabError(f"a pod named {name} stands already, in {elsewhere}; choose another name or take it down")
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        _write(directory, plan, store_gib=store_gib, complete=False)
        network.build_bridges(plan, directory)
    return plan


def _belongs_elsewhere(plan: PodPlan, directory: Path) -> Path | None:
    """The other state directory (or /) that owns an interface with this pod's name."""
    link = network.links().get(plan.guest_bridge)
    if link is None:
        return None
    found = network.owner(link)
    return None if found == directory else found or Path("/")


def _build(plan: PodPlan, directory: Path, store_gib: int) -> None:
    key = directory / "ssh_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"mcp-lab-{plan.name}", "-f", str(key))
    _each(plan, lambda item: _build_host(plan, item, directory, store_gib))
    (directory / "known_hosts").write_text("".join(f"{h.address} {host.public_key(directory / h.name)}\n" for h in plan.hosts))
    _write(directory, plan, store_gib=store_gib, complete=True)


def _build_host(plan: PodPlan, item: HostPlan, directory: Path, store_gib: int) -> None:
    host.prepare(directory / item.name, item.name, store_gib, (directory / "ssh_key.pub"))
    host.start(plan, item, directory / item.name)


def _demolish_pod(name: str, directory: Path, *, keep: bool = False) -> Path | None:
    """Remove everything of the pod (but its files with `keep`); another's is left alone, and its place answered."""
    plan = _widest_plan(name, directory)
    if elsewhere := _belongs_elsewhere(plan, directory):
        return elsewhere
    _each(plan, lambda item: _demolish(item, directory / item.name))
    network.remove(plan, directory)
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)
    return None


def _demolish(item: HostPlan, directory: Path) -> None:
    host.kill_strays(directory)
    host.detach_leftovers(host.disk(directory))
    host.stop(item, directory)


def _each(plan: PodPlan, action: Any) -> None:
    """Do it for every host at the same time; the first error is raised once all have ended."""
    with ThreadPoolExecutor(max_workers=HOSTS_AT_MOST) as pool:
        outcomes = [pool.submit(action, item) for item in plan.hosts]
    for outcome in outcomes:
        outcome.result()


def _widest_plan(name: str, directory: Path) -> PodPlan:
    """The plan to demolish by: all the hosts there could be, for the record may be lost or half written."""
    with contextlib.suppress(LabError, KeyError, ValueError):
        return make_plan(name, ipaddress.IPv4Network(_read(directory)["subnet"]), HOSTS_AT_MOST)
    return make_plan(name, parse_subnet("10.77.0.0/22"), HOSTS_AT_MOST)


def run_here(command: Sequence[str]) -> int:
    """Run a command on the caller's own terminal; answers its exit code."""
    return subprocess.run(command, check=False).returncode
