"""What goes wrong in any fleet: hosts that show something else than is wanted, and requests that found no room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from accelerators.fleet.draw import Draw
from accelerators.fleet.guests import Guest
from accelerators.fleet.machines import Machine, Site
from accelerators.fleet.people import Tenant
from accelerators.models import Plan
from accelerators.states import State
from pods.gear.hypervisor.base import Limits
from pods.gear.simulated.state import GuestState
from pods.models import DriftFinding, Refusal
from pods.placement.explanation import Explanation
from pods.placement.request import PlacementRequest
from pods.services.claim import no_room
from pods.states import FindingKind, FindingState, HostDuty

# Of the guests that run.
STRAYED = 0.004
# Findings that were decided about, for each that is open.
PAST = 2
REFUSED = 0.004
PAST_STATES = {FindingState.RESOLVED: 0.6, FindingState.RESTORED: 0.3, FindingState.ADOPTED: 0.1}


@dataclass(frozen=True, slots=True)
class Stray:
    """A difference: what was wanted, what is found, and a sentence."""

    kind: FindingKind
    sentence: str
    wanted: dict[str, Any]
    found: dict[str, Any]


def stray(draw: Draw, guests: list[Guest]) -> Iterator[DriftFinding]:
    """Lead some running guests astray, on their machines too, and report each as a reconciler would."""
    firm = [guest for guest in guests if guest.row.state == State.RUNNING and not guest.row.preemptible]
    running = [guest for guest in firm if guest.machine is not None and not guest.machine.state.down]
    ways = [_stopped, _squeezed, _unguarded, _missing]
    for number, guest in enumerate(draw.chance.sample(running, _some(len(running), len(ways)))):
        machine = guest.machine
        assert machine is not None
        name = f"mcp-{guest.row.pk}"
        found = ways[number % len(ways)](guest, machine.state.guests[name])
        if found.kind == FindingKind.MISSING:
            del machine.state.guests[name]
            name = str(guest.row.pk)
        yield _finding(draw, machine, found, name, guest)
        for _ in range(PAST):
            yield _decided(draw, _finding(draw, machine, found, name, guest))


def _some(n: int, least: int) -> int:
    return min(n, max(least, round(n * STRAYED))) if n > 4 * least else 0


def _stopped(guest: Guest, there: GuestState) -> Stray:
    """Shut down from inside: the state follows the host, the wish stays."""
    guest.row.state, guest.row.power_observed = State.STOPPED, "stopped"
    there.running = False
    sentence = f"{guest.row.name} is stopped; it should be running."
    return Stray(FindingKind.POWER, sentence, {"power": "running"}, {"power": "stopped"})


def _squeezed(guest: Guest, there: GuestState) -> Stray:
    wanted = float(guest.row.memory_mib)
    there.limits = replace(there.limits, memory_mib=guest.row.memory_mib // 2)
    found = float(there.limits.memory_mib)
    sentence = f"{guest.row.name}: memory_mib is {found:g} instead of {wanted:g}."
    return Stray(FindingKind.LIMITS, sentence, {"memory_mib": wanted}, {"memory_mib": found})


def _unguarded(guest: Guest, there: GuestState) -> Stray:
    there.guarded = False
    sentence = f"{guest.row.name} runs without the rules that keep it from using others' addresses."
    power = {"power": "running"}
    return Stray(FindingKind.UNGUARDED, sentence, {"guarded": True} | power, {"guarded": False} | power)


def _missing(guest: Guest, there: GuestState) -> Stray:
    guest.row.power_observed, guest.row.missing_since = "unknown", guest.row.observed_at
    sentence = f"{guest.row.name} is gone from its host; it should be running."
    return Stray(FindingKind.MISSING, sentence, {"power": "running"}, {})


def strangers(draw: Draw, site: Site) -> Iterator[DriftFinding]:
    """Guests that nobody asked MCP for, on one machine in a few hundred."""
    for machine in site.machines[draw.chance.randrange(min(len(site.machines), 300)) :: 300]:
        if machine.state.down or machine.host.duty == HostDuty.RETIRED:
            continue
        name = "by-hand"
        machine.state.guests[name] = GuestState(name=name, guest_id=None, limits=Limits(256, 1.0, 1.0, 512), running=True)
        found: dict[str, Any] = {"power": "running", "addresses": [], "guest_id": None}
        yield _finding(
            draw, machine, Stray(FindingKind.UNKNOWN_GUEST, f"{name} is running and was not made by MCP.", {}, found), name, None
        )


def _finding(draw: Draw, machine: Machine, found: Stray, name: str, guest: Guest | None) -> DriftFinding:
    since = draw.ago(timedelta(days=20), timedelta(minutes=1))
    row = guest.row if guest is not None else None
    return DriftFinding(
        id=draw.id_at(since), host=machine.host, kind=found.kind, guest_name=name, target_id=row.pk if row else None,
        target_name=row.name if row else "", account_id=row.account_id if row else None, wanted=found.wanted, found=found.found,
        sentence=found.sentence, times_seen=1 + draw.chance.randrange(500), first_seen_at=since,
        last_seen_at=draw.now - timedelta(seconds=30 * draw.chance.random()),
    )  # fmt: skip


def _decided(draw: Draw, row: DriftFinding) -> DriftFinding:
    row.state = draw.weighted(PAST_STATES)
    row.last_seen_at = row.decided_at = row.first_seen_at + timedelta(minutes=1 + draw.chance.randrange(300))
    row.decided_by = "" if row.state == FindingState.RESOLVED else "operator"
    return row


def refusals(draw: Draw, site: Site, tenants: list[Tenant], plans: list[Plan], accelerators: int) -> Iterator[Refusal]:
    """Requests that found no room in this pod."""
    for _ in range(max(1, round(accelerators * REFUSED))):
        tenant, plan = draw.one(tenants), draw.one(plans)
        at = draw.ago(timedelta(days=30), timedelta(minutes=5))
        explanation = _no_room(draw, site)
        error = no_room(PlacementRequest(need=plan.need, kind=plan.kind, pod=site.pod.slug), explanation)
        yield Refusal(
            id=draw.id_at(at), account_id=tenant.account.pk, actor=tenant.owner, code=error.code, sentence=error.detail,
            request={"plan": plan.slug, "pod": site.pod.slug, "count": 1},
            placement={"operator": explanation.for_operator(), "customer": explanation.for_customer()}, created_at=at,
        )  # fmt: skip


def _no_room(draw: Draw, site: Site) -> Explanation:
    """Every host ruled out by something."""
    left = len(site.holding)
    removed: dict[str, int] = {}
    short: dict[str, int] = {}
    for mask, into in (("state", removed), ("kind", removed), ("traits", removed), ("cpu", short), ("disk", short)):
        into[mask] = int(left * draw.chance.random() * 0.4)
        left -= into[mask]
    short["memory"] = left
    return Explanation(evaluated=len(site.holding), removed=removed, short=short, asked=1)
