"""A wish as the planner reads it."""

from __future__ import annotations

from accelerators.services.wish import Chosen, CreateWish
from pods.placement.request import PlacementRequest


def placement_request(wish: CreateWish, chosen: Chosen, count: int) -> PlacementRequest:
    """`count` guests of the wish. Where its group is, and the account's other guests, the claim adds."""
    plan, company = chosen.plan, chosen.company
    return PlacementRequest(
        need=plan.need, kind=plan.kind, count=count, pod=chosen.pod.slug if chosen.pod else None,
        location=wish.location or None, image=str(chosen.image.pk), required=frozenset(plan.required_traits),
        forbidden=frozenset(plan.forbidden_traits), image_traits=frozenset(chosen.image.required_traits),
        preemptible=plan.preemptible, spread=company.spread, spread_limit=company.spread_limit,
        spread_soft=company.spread_policy == "preferred", near_soft=company.near_policy == "preferred",
    )  # fmt: skip
