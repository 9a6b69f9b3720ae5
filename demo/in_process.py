"""The same few calls as `demo.first.Api`, without the REST API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accelerators.models import Accelerator
from accelerators.services.create import create_accelerators
from accelerators.services.delete import undelete
from accelerators.services.power import start
from accelerators.services.wish import CreateWish
from accounts.actor import Actor
from accounts.models import Membership
from pods.models import Address


class InProcess:
    """Acts as the owner of the account `demo`."""

    def __init__(self) -> None:
        row = Membership.objects.select_related("account", "user").get(account__slug="demo", user__username="demo")
        self._actor = Actor(label="demo", account=row.account, role=row.role, user=row.user, source="make up")

    def get(self, path: str) -> dict[str, Any] | None:
        """The accelerator named last in the path."""
        name = path.rpartition("/")[2]
        row = Accelerator.objects.filter(account=self._actor.account, name=name).exclude(state="deleted").first()
        if row is None:
            return None
        addresses = [{"address": str(address.ip)} for address in Address.objects.filter(holder_id=row.pk)]
        return {"id": str(row.pk), "state": row.state, "addresses": addresses, "failure": row.failure_message}

    def post(self, path: str, body: dict[str, Any], idempotency_key: str) -> dict[str, Any]:
        """Create, start or undelete."""
        if path == "/accelerators":
            create_accelerators(actor=self._actor, wish=CreateWish(**body))
        else:
            _, _, identifier, verb = path.split("/")
            {"start": start, "undelete": undelete}[verb](actor=self._actor, accelerator_id=UUID(identifier))
        return {}
