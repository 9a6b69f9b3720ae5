"""What tenants asked for: orders of one plan and image each, shared out over pods so that all fill up alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from accelerators.fleet.catalogue import Catalogue
from accelerators.fleet.draw import Draw
from accelerators.fleet.machines import Site
from accelerators.fleet.people import Tenant
from accelerators.models import Plan
from pods.models import Image

JOBS = {"web": 0.34, "db": 0.14, "cache": 0.1, "worker": 0.2, "build": 0.08, "mail": 0.04, "proxy": 0.1}
STAGES = {"prod": 0.6, "staging": 0.25, "dev": 0.15}
MOST_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Group:
    """How members of a group keep apart; every group of the same name keeps to the same way."""

    name: str
    spread: str
    limit: int = 1
    policy: str = "required"


GROUPS = {
    Group("web-tier", "host", 1): 0.3, Group("db-tier", "host", 2): 0.3, Group("cache-tier", "host", 1, "preferred"): 0.2,
    Group("quorum", "pod", 3): 0.2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """One request of a tenant."""

    tenant: Tenant
    site: Site
    count: int
    plan: Plan
    image: Image
    job: str
    tags: dict[str, str]
    group: Group | None
    at: datetime
    batch: UUID | None


def make_orders(draw: Draw, catalogue: Catalogue, sites: list[Site], tenants: list[Tenant]) -> dict[int, list[Order]]:
    """Orders by the number of their site."""
    assigned = [0] * len(sites)
    size = [max(1, len(site.holding)) for site in sites]
    orders: dict[int, list[Order]] = {number: [] for number in range(len(sites))}
    for tenant in tenants:
        homes = draw.chance.sample(range(len(sites)), min(len(sites), 2 + tenant.wants // 25))
        left = tenant.wants
        while left:
            count = min(left, MOST_AT_ONCE, 1 + int(draw.chance.expovariate(0.3)))
            home = min(homes, key=lambda number: assigned[number] / size[number])
            orders[home].append(_order(draw, catalogue, tenant, sites[home], count))
            assigned[home] += count
            left -= count
    return orders


def _order(draw: Draw, catalogue: Catalogue, tenant: Tenant, site: Site, count: int) -> Order:
    plan = draw.weighted(catalogue.shares)
    job, at = draw.weighted(JOBS), draw.ago(timedelta(days=400), timedelta(hours=1))
    tags = {"role": job, "env": draw.weighted(STAGES)} if draw.happens(0.7) else {}
    group = draw.weighted(GROUPS) if count > 1 and draw.happens(0.35) else None
    batch = draw.id_at(at) if count > 1 else None
    return Order(tenant, site, count, plan, draw.one(catalogue.images_for(plan)), job, tags, group, at, batch)
