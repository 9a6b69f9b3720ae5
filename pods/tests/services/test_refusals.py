"""Refusals are kept for a while and in bounds, and never stand in the way of the answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from accounts.actor import Actor, system
from pods.errors import AddressesExhausted, CapacityExhausted, PlacementContended
from pods.models import Refusal
from pods.services.refusals import REFUSED, forget_refusals, keep_refusal
from pods.tasks import forget_refusals as task


def make(number: int, *, age: timedelta = timedelta()) -> list[Refusal]:
    at = timezone.now() - age
    return Refusal.objects.bulk_create(
        Refusal(code="placement.contended", sentence=str(n), created_at=at - timedelta(seconds=n)) for n in range(number)
    )


def test_all_that_says_not_now_is_kept() -> None:
    assert set(REFUSED) == {CapacityExhausted, PlacementContended, AddressesExhausted}


def test_both_forms_are_kept_with_who_and_what(actor: Actor) -> None:
    error = CapacityExhausted("no room", context={"placement": {"evaluated": 1}, "operator": {"top": []}})
    keep_refusal(actor=actor, error=error, asked={"plan": "zone-1g"})
    row = Refusal.objects.get()
    assert (row.account_id, row.actor, row.code) == (actor.account_id, actor.label, CapacityExhausted.code)
    assert (row.sentence, row.request) == ("no room", {"plan": "zone-1g"})
    assert row.placement == {"operator": {"top": []}, "customer": {"evaluated": 1}}


def test_an_error_without_explanation_is_kept_too(db: None) -> None:
    keep_refusal(actor=system(), error=PlacementContended(), asked={})
    assert Refusal.objects.get().placement == {"operator": {}, "customer": {}}


def test_a_database_that_refuses_hides_nothing(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**fields: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(Refusal.objects, "create", refuse)
    assert keep_refusal(actor=system(), error=PlacementContended(), asked={}) is None


def test_the_old_are_forgotten(db: None, settings: Any) -> None:
    settings.REFUSALS_KEPT_DAYS = 30
    make(3, age=timedelta(days=31))
    new = make(2, age=timedelta(days=29))
    assert forget_refusals() == 3
    assert set(Refusal.objects.all()) == set(new)
    assert forget_refusals() == 0


@pytest.mark.parametrize("kept", [0, 1, 4, 5, 6])
def test_the_oldest_of_too_many_are_forgotten(db: None, settings: Any, kept: int) -> None:
    settings.REFUSALS_KEPT = kept
    rows = make(5)
    task()
    assert [row.sentence for row in Refusal.objects.all()] == [row.sentence for row in rows[:kept]]


def test_rows_of_one_moment_are_bounded_too(db: None, settings: Any) -> None:
    settings.REFUSALS_KEPT = 2
    at = timezone.now()
    Refusal.objects.bulk_create(Refusal(code="x", sentence="x", created_at=at) for _ in range(5))
    assert forget_refusals() == 3
