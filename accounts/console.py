"""Who acts in the console."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.actor import Actor
from accounts.models import User
from accounts.permissions import Role
from mcp.errors import Forbidden


def operator_of(request: HttpRequest) -> Actor:
    """The signed-in operator. Raises Forbidden for anybody else, whatever page asks."""
    user = request.user
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        raise Forbidden("Only operators of the installation may do this.")
    source = str(request.META.get("REMOTE_ADDR", ""))
    return Actor(label=user.get_username(), account=None, role=Role.OWNER, user=user, source=source, is_operator=True)
