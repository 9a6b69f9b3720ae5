"""What would fit instead of what was refused: found by the planner itself, on the fleet as this process knows it.

Nothing is claimed and nothing promised: by the time somebody asks for it, it may be gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from accelerators.models import Plan
from accelerators.services.company import Company, company_of
from accelerators.services.placing import placement_request
from accelerators.services.wish import Chosen, CreateWish, choose
from accounts.models import Account
from mcp.errors import InvalidInput
from pods.placement.explanation import Decision
from pods.placement.planner import plan as decide
from pods.placement.request import PlacementRequest
from pods.services.claim import company
from pods.services.fleet_cache import fleet_cache
from pods.services.weights import placement_weights

MOST = 6
MOST_PODS = 3
MOST_PLANS = 12


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One change of the wish after which there is room now: fields of the wish with their new values."""

    words: str
    changes: Mapping[str, Any]


def suggest(*, account: Account, wish: CreateWish) -> list[Suggestion]:
    """The most helpful changes, each tried on the planner. Reads only; a dozen queries however large the fleet.

    Raises InvalidInput and its kin for a wish that could not be asked for at all.
    """
    return list(islice(_Trial(account, wish).suggestions(), MOST))


class _Trial:
    """The fleet and the company of one refused wish, read once."""

    def __init__(self, account: Account, wish: CreateWish) -> None:
        self.account, self.wish = account, wish
        self.chosen: Chosen = choose(wish, account)
        self.fleet = fleet_cache.get()
        self.weights = placement_weights()
        agreed = self.chosen.company
        self.request = self._with_company(placement_request(wish, self.chosen, wish.count), agreed)
        self.refused = self._decide(self.request)

    def _with_company(self, request: PlacementRequest, agreed: Company) -> PlacementRequest:
        group, near = agreed.key(self.account, agreed.group), agreed.key(self.account, agreed.near)
        fields = company(self.account.pk, group, near)
        return replace(request, account=str(self.account.pk), **{"members": {}, "near": None, **fields})

    def _decide(self, request: PlacementRequest) -> Decision:
        return decide(request, self.fleet, weights=self.weights)

    def _fits(self, request: PlacementRequest) -> bool:
        return len(self._decide(request).hosts) == request.count

    def suggestions(self) -> Iterator[Suggestion]:
        """Most helpful first."""
        yield from self._of_company()
        yield from self._of_plans()
        yield from self._of_count()
        yield from self._of_places()

    def _of_company(self) -> Iterator[Suggestion]:
        """Preferring instead of requiring, and doing without; the group's present members may forbid the first."""
        agreed = self.chosen.company
        if agreed.near and agreed.near_policy == "required":
            yield from self._changed("Prefer to be near the group", {"near_policy": "preferred"})
        if agreed.spread == "none":
            return
        if agreed.spread_policy == "required":
            yield from self._changed("Prefer the spread", {"spread_policy": "preferred"})
        alone = {"spread": "", "spread_limit": 1} | ({"group": ""} if agreed.group else {})
        yield from self._changed("Leave the group" if agreed.group else "Drop the spread", alone)

    def _changed(self, words: str, changes: Mapping[str, Any]) -> Iterator[Suggestion]:
        wish = replace(self.wish, **changes)
        try:
            agreed = company_of(wish, self.account)
        except InvalidInput:
            return
        request = placement_request(wish, replace(self.chosen, company=agreed), wish.count)
        if self._fits(self._with_company(request, agreed)):
            yield Suggestion(words, changes)

    def _of_plans(self) -> Iterator[Suggestion]:
        """The largest plan that is no larger in any dimension and would fit now."""
        for plan in self._smaller_plans():
            request = replace(
                self.request, need=plan.need, required=frozenset(plan.required_traits), preemptible=plan.preemptible,
                forbidden=frozenset(plan.forbidden_traits),
            )  # fmt: skip
            if self._fits(request):
                size = f"{plan.memory_mib} MiB, {plan.vcpus.normalize():f} vCPU, {plan.disk_gib} GiB disk"
                yield Suggestion(f"Take the plan {plan.name} ({size})", {"plan": plan.slug})
                return

    def _smaller_plans(self) -> list[Plan]:
        own, image = self.chosen.plan, self.chosen.image
        plans = Plan.objects.filter(
            active=True, kind=own.kind, memory_mib__lte=own.memory_mib, vcpus__lte=own.vcpus, disk_gib__lte=own.disk_gib,
            memory_mib__gte=image.min_memory_mib, disk_gib__gte=image.min_disk_gib,
        )  # fmt: skip
        return list(plans.exclude(pk=own.pk).order_by("-memory_mib", "-vcpus", "-disk_gib", "slug")[:MOST_PLANS])

    def _of_count(self) -> Iterator[Suggestion]:
        placed = len(self.refused.hosts)
        if 0 < placed < self.wish.count:
            yield Suggestion(f"Ask for {placed} instead of {self.wish.count}", {"count": placed})

    def _of_places(self) -> Iterator[Suggestion]:
        """Other pods, where the wish names a place: those of the best hosts anywhere."""
        if not (self.wish.pod or self.wish.location):
            return
        anywhere = replace(self.request, pod=None, location=None)
        found = self._decide(anywhere)
        rows = [self.fleet.rows[host] for host in (*found.hosts, *found.candidates)]
        slugs = dict.fromkeys(self.fleet.pods[int(self.fleet.pod[row])].slug for row in rows)
        fitting = list(islice((slug for slug in slugs if self._fits(replace(anywhere, pod=slug))), MOST_PODS))
        for slug in fitting:
            yield Suggestion(f"Take the pod {slug}", {"pod": slug, "location": ""})
        if not fitting and len(found.hosts) == self.wish.count:
            yield Suggestion("Take any pod", {"pod": "", "location": ""})
