"""The plans that a new installation begins with."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.core.management import call_command

from accelerators.models import Plan

LADDER = {row[0] for row in import_module("accelerators.migrations.0002_plans").LADDER}


@pytest.mark.django_db
def test_they_are_there() -> None:
    assert set(Plan.objects.values_list("slug", flat=True)) >= LADDER


@pytest.mark.django_db(transaction=True)
def test_they_are_there_whichever_tests_truncated_the_tables_before() -> None:
    before = set(Plan.objects.values_list("slug", flat=True))
    call_command("flush", interactive=False, verbosity=0)
    assert set(Plan.objects.values_list("slug", flat=True)) == before >= LADDER
