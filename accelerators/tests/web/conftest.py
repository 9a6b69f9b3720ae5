"""People at the portal."""

from __future__ import annotations

import pytest
from django.test import Client

from accelerators.testing.world import World
from accounts.models import Membership, User
from accounts.permissions import Role


@pytest.fixture
def owner(world: World, client: Client) -> Client:
    """The account's owner, signed in."""
    client.force_login(world.user)
    return client


@pytest.fixture
def viewer(world: World) -> Client:
    """Somebody who may look only."""
    person = User.objects.create_user("viewer")
    Membership.objects.create(account=world.account, user=person, role=Role.VIEWER)
    client = Client()
    client.force_login(person)
    return client
