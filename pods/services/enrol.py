"""Enrol pods and hosts: look first, show what was found, pin the host key, record capacity."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.actor import Actor
from mcp.errors import Conflict, FieldError, Forbidden, InvalidInput
from mcp.events.services.audit import audit
from mcp.secrets import seal, unseal
from pods.errors import HostUnusable
from pods.gear.hypervisor.base import HostFacts
from pods.gear.hypervisor.grammar import BRIDGE
from pods.gear.registry import DRIVERS, HostAccess, open_hypervisor, scan_host_key
from pods.models import Host, Network, Pod
from pods.services.heartbeat import answered
from pods.services.sums import forget_sums
from pods.states import HostDuty

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class NetworkWish:
    """The guests' network of a new pod; the range defaults to all of it but network, broadcast and gateway."""

    cidr: str
    gateway: str | None = None
    range_first: str | None = None
    range_last: str | None = None
    bridge: str = "br0"


def add_pod(*, actor: Actor, slug: str, network: NetworkWish, ssh_key: str = "", **fields: Any) -> Pod:
    """Make a pod with its network. Raises InvalidInput naming the field, Conflict, Forbidden."""
    _operators_only(actor)
    with transaction.atomic():
        if Pod.objects.filter(slug=slug).exists():
            raise Conflict(f"slug: the pod {slug} exists already.")
        pod = Pod(slug=slug, sealed_ssh_key=seal(ssh_key), **fields)
        _clean(pod)
        pod.save()
        Network.objects.create(pod=pod, **_network_fields(network))
        audit(
            "pod.add", actor=actor.label, source=actor.source, target_type="pod", target_id=pod.pk, target_name=slug,
            changes={"cidr": network.cidr, **{name: value for name, value in fields.items() if name != "resolvers"}},
        )  # fmt: skip
    return pod


def _clean(row: Pod | Host) -> None:
    try:
        row.full_clean(exclude=["network"])
    except ValidationError as exc:
        errors = [FieldError(f, "invalid", " ".join(texts)) for f, texts in exc.message_dict.items()]
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors) from exc


def _network_fields(wish: NetworkWish) -> dict[str, Any]:
    try:
        network = ipaddress.IPv4Network(wish.cidr)
    except ValueError as exc:
        raise InvalidInput.on("cidr", f"{exc}; write it like 10.77.0.0/16.") from exc
    if network.prefixlen > 30:
        raise InvalidInput.on("cidr", f"{network} is too small for a gateway and guests; take a /30 or larger.")
    if not BRIDGE.fullmatch(wish.bridge):
        raise InvalidInput.on("bridge", "use 1 to 15 of letters, digits, '.', '_' and '-', beginning with a letter or digit.")
    gateway = _address("gateway", wish.gateway)
    low = _address("range_first", wish.range_first) or network[1]
    high = _address("range_last", wish.range_last) or network[-2]
    if not (network[1] <= low <= high <= network[-2]):
        raise InvalidInput.on("range_first", f"the range {low} to {high} must lie inside {network}.")
    if gateway is not None and not network[1] <= gateway <= network[-2]:
        raise InvalidInput.on("gateway", f"{gateway} is not one of the hosts in {network}.")
    if gateway is not None and low <= gateway <= high:
        if gateway != low or low == high or wish.range_first:
            raise InvalidInput.on("range_first", f"the range must not hold the gateway {gateway}.")
        low += 1
    return {
        "cidr": str(network), "gateway": str(gateway) if gateway else None,
        "range_first": str(low), "range_last": str(high), "bridge": wish.bridge,
    }  # fmt: skip


def _address(field: str, text: str | None) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text) if text else None
    except ValueError as exc:
        raise InvalidInput.on(field, f"{exc}; write it like 10.77.0.1.") from exc


@dataclass(frozen=True, slots=True)
class HostWish:
    """How to reach a machine that is to become a host."""

    address: str
    pod: Pod
    name: str = ""
    port: int = 22
    user: str = "root"
    driver: str = "lxc"
    host_key: str = ""  # empty: whatever it shows now is pinned, and shown to the operator
    options: dict[str, Any] | None = None


def probe_host(wish: HostWish) -> tuple[str, HostFacts]:
    """Look at a machine without recording anything: the host key it shows and what it is.

    Raises InvalidInput for an unknown driver, and what drivers raise.
    """
    if wish.driver not in DRIVERS:
        raise InvalidInput.on("driver", f"choose one of {', '.join(sorted(DRIVERS))}.")
    host_key = wish.host_key or scan_host_key(wish.driver, wish.address, wish.port)
    access = HostAccess(
        driver=wish.driver, address=wish.address, port=wish.port, user=wish.user, host_key=host_key,
        private_key=unseal(wish.pod.sealed_ssh_key), options=dict(wish.options or {}),
    )  # fmt: skip
    hypervisor = open_hypervisor(access)
    try:
        return host_key, hypervisor.probe()
    finally:
        hypervisor.close()


def add_host(*, actor: Actor, wish: HostWish, found: tuple[str, HostFacts] | None = None) -> Host:
    """Probe a machine, pin its key, record what it can hold. `found` is what `probe_host` answered, if it was asked before.

    Raises HostUnusable, Conflict, Forbidden, gear errors.
    """
    _operators_only(actor)
    name = wish.name or f"h-{wish.address.replace('.', '-').replace(':', '-')}"
    if not NAME.fullmatch(name):
        raise InvalidInput.on("name", "use 1 to 63 of a-z, 0-9 and -, not at the ends.")
    _refuse_known(wish, name)
    host_key, facts = found or probe_host(wish)
    if not facts.usable:
        raise unusable(wish.address, facts)
    host = Host(
        pod=wish.pod, name=name, driver=wish.driver, address=wish.address, port=wish.port, user=wish.user,
        host_key=host_key, options=dict(wish.options or {}), kinds=sorted(DRIVERS[wish.driver].kinds),
    )  # fmt: skip
    record_facts(host, facts)
    _refuse_known(wish, name)  # looking took its time
    try:
        _save_new(actor, host)
    except (IntegrityError, InvalidInput):
        _refuse_known(wish, name)  # somebody was faster
        raise
    return host


def _refuse_known(wish: HostWish, name: str) -> None:
    known = Host.objects.filter(address=wish.address, port=wish.port).exclude(duty=HostDuty.RETIRED).first()
    if known is not None:
        raise Conflict(f"address: {wish.address}:{wish.port} is enrolled as {known.name} in pod {known.pod.slug}.")
    namesake = Host.objects.filter(pod=wish.pod, name=name).first()
    if namesake is not None:  # history too: events and audit rows tell hosts apart by name
        raise InvalidInput.on(
            "name", f"the pod {wish.pod.slug} has a host {name} ({namesake.duty}); choose another name.", "taken"
        )


def _save_new(actor: Actor, host: Host) -> None:
    with transaction.atomic():
        _clean(host)
        host.save()
        transaction.on_commit(forget_sums)
        audit(
            "host.add", actor=actor.label, source=actor.source, target_type="host", target_id=host.pk,
            target_name=host.name, changes={"address": host.address, "host_key": host.host_key, "pod": host.pod.slug},
        )  # fmt: skip


def unusable(address: str, facts: HostFacts) -> HostUnusable:
    """The refusal that names each missing thing and the package that brings it."""
    fatal = [item for item in facts.missing if item.fatal]
    return HostUnusable(
        f"{address} lacks {'; '.join(f'{item.what} ({item.remedy})' for item in fatal)}.",
        errors=[FieldError("address", "missing", f"{item.what}: {item.remedy}") for item in fatal],
    )


def record_facts(host: Host, facts: HostFacts) -> None:
    """Write what a probe found into an unsaved or locked row. Capacity never falls below what is promised already."""
    pod = host.pod
    memory = max(0, int((facts.memory_mib - pod.reserve_memory_mib) * pod.memory_overcommit))
    disk = max(0, int((facts.disk_gib - pod.reserve_disk_gib) * pod.disk_overcommit))
    host.cap_cpu_m = max(host.used_cpu_m, int(facts.cpus * 1000 * pod.cpu_overcommit))
    host.cap_memory_mib = max(host.used_memory_mib, memory)
    host.cap_disk_gib = max(host.used_disk_gib, disk)
    host.facts = asdict(facts) | {"bridges": list(facts.bridges), "missing": [asdict(item) for item in facts.missing]}
    host.boot_id = facts.boot_id
    host.probed_at = host.last_seen_at = timezone.now()
    host.reachable, host.failed_heartbeats, host.last_error = True, 0, ""


def look_at(host: Host) -> HostFacts:
    """Probe an enrolled host under its pinned key, recording nothing. Raises gear errors."""
    wish = HostWish(
        address=host.address, pod=host.pod, port=host.port, user=host.user, driver=host.driver, host_key=host.host_key,
        options=dict(host.options),
    )  # fmt: skip
    return probe_host(wish)[1]


def reprobe_host(*, actor: Actor, host: Host, facts: HostFacts | None = None) -> Host:
    """Probe an enrolled host again and record what changed; `facts` is what `look_at` answered, if it was asked before.

    Raises gear errors.
    """
    _operators_only(actor)
    facts = facts or look_at(host)
    with transaction.atomic():
        locked = Host.objects.select_for_update(of=("self",)).select_related("pod").get(pk=host.pk)
        answered(locked, facts.boot_id)
        record_facts(locked, facts)
        locked.save()
        transaction.on_commit(forget_sums)
        audit(
            "host.probe", actor=actor.label, source=actor.source, target_type="host", target_id=host.pk,
            target_name=host.name,
        )  # fmt: skip
    return locked


def _operators_only(actor: Actor) -> None:
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
