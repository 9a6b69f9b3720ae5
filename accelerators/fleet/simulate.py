"""Fill the database with a fleet, pod by pod: each pod is one transaction, whole or not there."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from accelerators.fleet.catalogue import Catalogue, make_catalogue
from accelerators.fleet.draw import Draw
from accelerators.fleet.guests import HOLDING_NOTHING, LIVES, Makers
from accelerators.fleet.history import Chronicler
from accelerators.fleet.machines import DRIVER, USUAL_MEMORY_MIB, Ground, Site, make_exclusive, make_sites
from accelerators.fleet.orders import Order, make_orders
from accelerators.fleet.people import Tenant, limits_beyond, make_people, sizes
from accelerators.fleet.state import keep, remember
from accelerators.fleet.troubles import refusals, strangers, stray
from accelerators.fleet.works import evacuations, windows
from accelerators.fleet.write import write, write_lines
from accelerators.models import Accelerator, Plan, Tag
from accelerators.states import State
from mcp.errors import Conflict, InvalidInput
from mcp.events.models import AuditEntry, Event
from mcp.operations.models import Operation
from pods.models import Address, Allocation, DriftFinding, Host, ImageCopy, Pod, Refusal

# How full the hosts are, by memory; fewer hosts than that takes are larger ones.
FULL = 0.55
A_TENANT = 20
Tell = Callable[[str], None]
VACUUMED = (Accelerator, Tag, Operation, Event, AuditEntry, Host, Allocation, Address, ImageCopy, DriftFinding, Refusal, Pod)


@dataclass(frozen=True, slots=True)
class FleetWish:
    """How much of everything. `accounts` 0 means one for twenty accelerators."""

    hosts: int
    accelerators: int
    pods: int
    state_dir: Path
    accounts: int = 0
    seed: int = 1
    beside_real_hosts: bool = False


def simulate(wish: FleetWish, tell: Tell = lambda line: None) -> str:
    """Add a world of its own (sim1, sim2, ...) to what there is; answers its name. Nothing that exists is changed.

    Not repeatable in the sense of doing nothing the second time: each call adds another world. Equal wishes make worlds of
    equal names, sizes and states. Raises InvalidInput for impossible sizes, Conflict where there are real hosts.
    """
    _check(wish)
    draw = Draw(wish.seed, timezone.now())
    world = _next_world()
    catalogue = make_catalogue()
    sites = make_sites(draw, _ground(wish, world, catalogue), pods=wish.pods, hosts=wish.hosts)
    accounts = wish.accounts or max(1, wish.accelerators // A_TENANT)
    people = make_people(draw, world, sizes(draw, wish.accelerators, accounts))
    with transaction.atomic():
        for rows in people.rows:
            write(rows)
    tell(f"{world}: {accounts} accounts, {sum(map(len, people.rows))} rows of people and keys")
    with _uncollected():
        _fill(_Filling(wish, draw, catalogue, people.tenants), sites, tell)
    _tidy(tell)
    return world


def _check(wish: FleetWish) -> None:
    for name, value, least in (("hosts", wish.hosts, wish.pods), ("pods", wish.pods, 1), ("accelerators", wish.accelerators, 1)):
        if value < least:
            raise InvalidInput.on(name, f"at least {least}, please.", "too_small")
    if wish.accounts > wish.accelerators or wish.accounts < 0:
        raise InvalidInput.on("accounts", "every account has an accelerator at least; ask for fewer accounts.", "too_large")
    if wish.accelerators > wish.pods * 60_000:
        raise InvalidInput.on("pods", "a pod's network has room for some 60,000 accelerators; ask for more pods.", "too_small")
    real = Host.objects.exclude(driver=DRIVER).select_related("pod").order_by("created_at").first()
    if real is not None and not wish.beside_real_hosts:
        raise Conflict(
            f"This installation has real hosts ({real.pod.slug}/{real.name} is one), and a simulated fleet beside them would mix "
            "invented customers with yours. Use another database (MCP_DATABASE_URL), or say --beside-real-hosts."
        )


def _next_world() -> str:
    """The first name above all that are in use."""
    slugs = Pod.objects.filter(slug__startswith="sim").values_list("slug", flat=True)
    used = [int(match[1]) for slug in slugs if (match := re.match(r"sim(\d+)-", slug))]
    return f"sim{max(used, default=0) + 1}"


def _ground(wish: FleetWish, world: str, catalogue: Catalogue) -> Ground:
    needed = wish.accelerators * catalogue.usual_memory_mib / (wish.hosts * USUAL_MEMORY_MIB)
    return Ground(world, wish.state_dir.resolve() / world, max(1, ceil(needed / FULL)))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for cycles: there are none among the rows, and looking through all of them takes a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _Filling:
    """What all pods share while they are filled."""

    wish: FleetWish
    draw: Draw
    catalogue: Catalogue
    tenants: list[Tenant]

    @property
    def smallest(self) -> dict[str, Plan]:
        """Of each kind, the plan that fits where others do not."""
        plain = [plan for plan in self.catalogue.shares if not plan.required_traits and not plan.preemptible]
        return {kind: next(plan for plan in plain if plan.kind == kind and plan.memory_mib >= 512) for kind in ("zone", "vm")}


def _fill(filling: _Filling, sites: list[Site], tell: Tell) -> None:
    wish, draw = filling.wish, filling.draw
    orders = make_orders(draw, filling.catalogue, sites, filling.tenants)
    lives = iter(draw.spread_out(LIVES, wish.accelerators, State.RUNNING))
    names: Counter[tuple[str, str]] = Counter()
    used: dict[UUID, Counter[str]] = {tenant.account.pk: Counter() for tenant in filling.tenants}
    done = 0
    for number, site in enumerate(sites):
        done += _fill_site(filling, site, orders[number], lives, names, used)
        tell(f"{site.pod.slug}: {len(site.machines)} hosts; {done} of {wish.accelerators} accelerators")
    with transaction.atomic():
        write([row for tenant in filling.tenants for row in limits_beyond(tenant.account, used[tenant.account.pk])])


def _fill_site(
    filling: _Filling, site: Site, orders: list[Order], lives: Iterator[State], names: Counter[tuple[str, str]],
    used: dict[UUID, Counter[str]],
) -> int:  # fmt: skip
    """Everything in one pod, in memory first, then written; answers how many accelerators."""
    if orders:
        largest = Counter({order.tenant.account.pk: 0 for order in orders})
        for order in orders:
            largest[order.tenant.account.pk] += order.count
        make_exclusive(site, largest.most_common(1)[0][0])
    makers, chronicler = Makers(filling.draw, site, filling.smallest, names), Chronicler(filling.draw, site)
    for order in orders:
        for number in range(order.count):
            guest = makers.make(order, next(lives), number)
            remember(guest, chronicler.tell(guest, first=number == 0))
            if guest.row.state not in HOLDING_NOTHING:
                used[guest.row.account_id].update(_counted(guest.row))
    plans = list(filling.catalogue.shares)
    findings = [*stray(filling.draw, makers.crowd.guests), *strangers(filling.draw, site)]
    refused = list(refusals(filling.draw, site, filling.tenants, plans, len(makers.crowd.guests)))
    moved = list(evacuations(filling.draw, site, makers.crowd.guests))
    ended: list[Sequence[Model]] = [[run for run, _ in moved], [move for _, move in moved]]
    _write_site(site, makers, chronicler, [findings, refused, list(windows(filling.draw, site)), *ended])
    return len(makers.crowd.guests)


def _counted(row: Accelerator) -> dict[str, int]:
    """As limits count it."""
    return {"accelerators": 1, "memory_mib": row.memory_mib, "vcpus": -(-row.cpu_m // 1000), "disk_gib": row.disk_gib}


def _write_site(site: Site, makers: Makers, chronicler: Chronicler, more: Sequence[Sequence[Model]]) -> None:
    """The machines' files before the commit: a host in the database has its machine."""
    crowd, chronicle = makers.crowd, chronicler.chronicle
    chronicle.audit += chronicler.enrolments()
    chronicle.in_order()
    copies = [ImageCopy(image=image, host=m.host) for m in site.machines for image in m.images.values()]
    stages: list[Sequence[Model]] = [
        [site.pod],
        [site.network],
        [m.host for m in site.machines],
        copies,
        [g.row for g in crowd.guests],
        crowd.allocations,
        crowd.addresses,
        crowd.tags,
        chronicle.operations,
        *more,
    ]
    with transaction.atomic():
        for rows in stages:
            write(rows)
        write_lines(Event, chronicle.events)
        write_lines(AuditEntry, chronicle.audit)
        keep(site)


def _tidy(tell: Tell) -> None:
    """What autovacuum would do after a while: statistics for the planner, and maps of what all can see."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    tell("gathering statistics")
    with connection.cursor() as cursor:
        for model in VACUUMED:
            cursor.execute(f"VACUUM (ANALYZE) {connection.ops.quote_name(model._meta.db_table)}")
