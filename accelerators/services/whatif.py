"""What if, in the words of this app: plans on sale by their names, guests by theirs. Every way in asks here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from accelerators.models import Accelerator, Plan
from accounts.actor import Actor
from pods.placement.room import Offer
from pods.services.whatif import what_if
from pods.services.whatif_question import Question


def ask_what_if(*, actor: Actor, question: Question) -> dict[str, Any]:
    """The answer, with each guest that is named shown as its id, name and account. Changes nothing; twelve queries at most.

    Raises Forbidden, InvalidInput naming each field that needs changing.
    """
    found = what_if(actor=actor, question=question, offers=offers())
    ids = list(dict.fromkeys(_named(found)))
    names = _names(ids)
    for part in ("lost", "drained", "preemptible"):
        for one in found[part]["left_over"]:
            one["guest"] = _shown(one["guest"], names)
    for pod in found["headroom"]:
        for host in pod["not_absorbed"]:
            host["guests"] = [_shown(guest, names) for guest in host["guests"]]
    return found


def offers() -> list[Offer]:
    """The plans on sale, as placement sees them, in the order in which they are shown."""
    return [
        Offer(
            plan.slug, plan.need, plan.kind, frozenset(plan.required_traits), frozenset(plan.forbidden_traits), plan.preemptible
        )
        for plan in Plan.objects.filter(active=True)
    ]


def _named(found: Mapping[str, Any]) -> Iterator[str]:
    for part in ("lost", "drained", "preemptible"):
        yield from (one["guest"] for one in found[part]["left_over"])
    for pod in found["headroom"]:
        for host in pod["not_absorbed"]:
            yield from host["guests"]


def _names(ids: list[str]) -> dict[str, tuple[str, str]]:
    """Name and account's slug by id. One query, none for nobody."""
    if not ids:
        return {}
    rows = Accelerator.objects.filter(pk__in=ids).values_list("pk", "name", "account__slug")
    return {str(pk): (name, account) for pk, name, account in rows}


def _shown(guest: str, names: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    name, account = names.get(guest, (guest, ""))
    return {"id": guest, "name": name, "account": account}
