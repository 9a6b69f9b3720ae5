"""What if hosts or pods were lost, drained or added, or more of a plan were wanted? Asked of a copy of the fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.actor import Actor
from mcp.errors import Forbidden
from pods.models import Allocation, Pod
from pods.placement.request import Fleet, Guest
from pods.placement.room import Offer
from pods.placement.stage import Scenario
from pods.placement.whatif import answer
from pods.services.capacity import capacity_by_pod
from pods.services.fleet import guests_of, load_fleet
from pods.services.runway import growth_by_pod
from pods.services.weights import placement_weights
from pods.services.whatif_question import Question, scenario_of
from pods.services.whatif_words import present

# N+1 wants every guest of a pod. Pods beyond this many guests together are told of only when they are named.
MOST_GUESTS = 20_000


def what_if(*, actor: Actor, question: Question, offers: Sequence[Offer]) -> dict[str, Any]:
    """The answer in plain values, the same for equal questions on an equal fleet; repeatable, as nothing is written.

    `offers` are the plans on sale. Ten queries at most, whatever the size of the fleet. Only the guests that the question is
    about are read. Raises Forbidden, InvalidInput naming each field that needs changing.
    """
    if not actor.is_operator:
        raise Forbidden("Only operators of the installation may do this.")
    scenario = scenario_of(question, offers)
    fleet = load_fleet(residents=False, images=False)
    growth = growth_by_pod()
    scenario, left_out = _bounded(question, scenario)
    found = answer(scenario, fleet, _guests(scenario, fleet), offers, placement_weights())
    return present(found, question, fleet, growth, left_out)


def _bounded(question: Question, scenario: Scenario) -> tuple[Scenario, list[str]]:
    """Headroom of the pods named; else of those the question touches, or of all if it supposes nothing, as far as bearable."""
    if question.headroom or (question.changes and not scenario.headroom):
        return scenario, []
    touched = set(scenario.headroom)
    sizes = {line["pod"]: line["guests"] for line in capacity_by_pod() if not question.changes or line["pod"] in touched}
    upto = dict(zip(sizes, accumulate(sizes.values()), strict=True))
    chosen = tuple(slug for slug in sizes if upto[slug] <= MOST_GUESTS)
    return replace(scenario, headroom=chosen), [slug for slug in sizes if slug not in chosen]


def _guests(scenario: Scenario, fleet: Fleet) -> list[Guest]:
    """Those that must move, the members of their groups, and all of the pods whose N+1 has a say. Three queries at most."""
    ids = dict(Pod.objects.values_list("slug", "pk"))
    moving = Q(host_id__in=scenario.lose_hosts | scenario.drain_hosts) | Q(pod_id__in=_ids(ids, scenario.lose_pods))
    whole = _ids(ids, {*scenario.headroom, *_guarded(scenario, fleet)})
    guests = guests_of(fleet, Allocation.objects.filter(moving | Q(pod_id__in=whole)))
    groups = {guest.group for guest in guests if guest.spread != "none"}
    if not groups:
        return guests
    known = {guest.id for guest in guests}
    members = guests_of(fleet, Allocation.objects.filter(group__in=groups).exclude(group=""))
    return guests + [guest for guest in members if guest.id not in known]


def _ids(ids: Mapping[str, UUID], slugs: Iterable[str]) -> list[UUID]:
    return [ids[slug] for slug in slugs if slug in ids]


def _guarded(scenario: Scenario, fleet: Fleet) -> list[str]:
    """Pods that may refuse more of a plan for the sake of N+1."""
    more = scenario.more
    if more is None:
        return []
    return [
        pod.slug
        for pod in fleet.pods
        if pod.n_plus_one and more.pod in (None, pod.slug) and more.location in (None, pod.location)
    ]
