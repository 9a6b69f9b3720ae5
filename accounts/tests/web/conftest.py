"""People at the portal."""

from __future__ import annotations

import pytest

from accounts.tests.web.people import People, make_people


@pytest.fixture
def people(db: None) -> People:
    """An account with its owner."""
    return make_people()
