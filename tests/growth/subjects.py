"""What requests are about: one thing of each kind from a simulated fleet, and who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import Count, Model
from django.test import Client
from rest_framework.test import APIClient

from accelerators.models import Accelerator, Plan
from accelerators.states import State
from accounts.models import Account, ApiKey, Membership, SshKey, User
from accounts.testing import client_with, make_key
from mcp.events.models import AuditEntry, Event
from mcp.operations.models import Operation
from pods.models import DriftFinding, Host, Image, MaintenanceWindow, MoveRun, Pod, Refusal

USUAL = 20


@dataclass
class Subjects:
    """Chosen so that two fleets of different sizes have alike ones: an account of usual size and what belongs to it."""

    world: str

    @cached_property
    def account(self) -> Account:
        """With about USUAL accelerators."""
        found: Account | None = self._accounts.filter(n__gte=USUAL).order_by("n", "slug").first()
        return found or self.largest

    @cached_property
    def largest(self) -> Account:
        """The account with most accelerators."""
        found: Account | None = self._accounts.order_by("-n", "slug").first()
        assert found is not None, f"there is no world {self.world}"
        return found

    @property
    def _accounts(self) -> Any:
        rows = Account.objects.filter(slug__startswith=f"{self.world}-", state=Account.State.ACTIVE)
        return rows.annotate(n=Count("accelerators"))

    @cached_property
    def accelerator(self) -> Accelerator:
        """One that runs, of the usual account."""
        rows = Accelerator.objects.select_related("plan", "image", "pod", "host")
        return rows.filter(account=self.account, state=State.RUNNING).order_by("created_at").first() or rows.get()

    @cached_property
    def operation(self) -> Operation:
        """The one that made it."""
        return Operation.objects.filter(target_id=self.accelerator.pk).earliest("created_at")

    @cached_property
    def finding(self) -> DriftFinding:
        """Any."""
        return DriftFinding.objects.filter(host__name__startswith=f"{self.world}-").latest("first_seen_at")

    @cached_property
    def host(self) -> Host:
        """That of the accelerator."""
        assert self.accelerator.host is not None
        return self.accelerator.host

    @cached_property
    def pod(self) -> Pod:
        """That of the accelerator; an open one if it is closed."""
        return self.accelerator.pod if self.accelerator.pod.state == "open" else Pod.objects.filter(state="open").earliest("slug")

    @cached_property
    def member(self) -> Membership:
        """The owner."""
        return Membership.objects.filter(account=self.account, role="owner").select_related("user").earliest("created_at")

    def refs(self, noun: str) -> list[str]:
        """What may stand in a path after a noun: id, and name where it has one. Raises KeyError for what is not known yet."""
        known: Mapping[str, Callable[[], list[Any]]] = {
            "accelerators": lambda: [self.accelerator.pk, self.accelerator.name],
            "operations": lambda: [self.operation.pk],
            "members": lambda: [self.member.pk, self.member.user.username],
            "ssh-keys": lambda: self._of(SshKey),
            "api-keys": lambda: self._of(ApiKey),
            "plans": lambda: [self.accelerator.plan.pk, self.accelerator.plan.slug],
            "images": lambda: [self.accelerator.image.pk, f"{self.accelerator.image.slug}@{self.accelerator.image.version}"],
            "pods": lambda: [self.pod.pk, self.pod.slug],
            "hosts": lambda: [self.host.pk, self.host.name],
            "accounts": lambda: [self.account.pk, self.account.slug],
            "drift": lambda: [self.finding.pk],
            "evacuations": lambda: [MoveRun.objects.filter(pod__slug__startswith=f"{self.world}-").latest("created_at").pk],
            "maintenance": lambda: [
                MaintenanceWindow.objects.filter(pod__slug__startswith=f"{self.world}-").latest("created_at").pk
            ],
            "refusals": lambda: [Refusal.objects.latest("created_at").pk],
        }
        return [str(value) for value in known[noun]()]

    def _of(self, model: type[SshKey] | type[ApiKey]) -> list[Any]:
        row = model._default_manager.filter(account=self.account).earliest("created_at")
        return [row.pk, row.name]

    def value(self, path: str, name: str) -> str:
        """A query parameter that selects something. Raises KeyError for what is not known yet."""
        row, operation = self.accelerator, self.operation
        entry = AuditEntry.objects.filter(operation_id=operation.pk).first() or AuditEntry.objects.latest("id")
        special: Mapping[tuple[str, str], Any] = {
            ("/operator/audit", "target"): entry.target_id, ("/operator/audit", "request"): entry.request_id,
            ("/operator/audit", "actor"): entry.actor, ("/operator/audit", "action"): entry.action,
            ("/operator/hosts", "name"): self.host.name, ("/operations", "kind"): operation.kind,
            ("/operator/operations", "kind"): "accelerator.undelete", ("/account/ssh-keys", "name"): "laptop-1",
            ("/account/api-keys", "name"): "deploy-1",
            ("/account/ssh-keys", "fingerprint"): SshKey.objects.filter(account=self.account).earliest("created_at").fingerprint,
        }  # fmt: skip
        usual: Mapping[str, Any] = {
            "name": row.name, "name_contains": "we", "plan": row.plan.slug, "image": row.image.slug, "pod": self.pod.slug,
            "group": "web-tier", "account": self.account.pk, "host": self.host.name, "holder": row.pk, "target": row.pk,
            "operation": operation.pk, "batch": operation.batch_id or operation.pk, "slug": self.account.slug,
            "created_after": (operation.created_at - timedelta(days=1)).isoformat(), "tag.KEY": "web",
            "ends_after": (operation.created_at - timedelta(days=1)).isoformat(),
            "since": (operation.created_at - timedelta(days=1)).isoformat(), "after": self.event_id, "dry_run": "true",
        }  # fmt: skip
        return str(special[(path, name)] if (path, name) in special else usual[name])

    @cached_property
    def event_id(self) -> int:
        """An old event of the usual account, to read on from."""
        return Event.objects.filter(account_id=self.account.pk).earliest("id").pk

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What stands in the addresses of pages."""
        key, ssh = self.refs("api-keys")[0], self.refs("ssh-keys")[0]
        return {
            "accelerator_id": self.accelerator.pk, "operation_id": self.operation.pk, "member_id": self.member.pk,
            "key_id": key or ssh, "verb": "stop", "host_id": self.host.pk, "pod_id": self.pod.pk,
        }  # fmt: skip

    def row_of(self, model: type[Model]) -> Model | None:
        """A row for the console's page about it: of the fleet where it is known, else the first there is."""
        known: Mapping[type[Model], Callable[[], Model]] = {
            Account: lambda: self.account, Accelerator: lambda: self.accelerator, Operation: lambda: self.operation,
            Host: lambda: self.host, Pod: lambda: self.pod, DriftFinding: lambda: self.finding,
            Plan: lambda: self.accelerator.plan,
            Image: lambda: self.accelerator.image, User: lambda: self.member.user, Membership: lambda: self.member,
        }  # fmt: skip
        return known[model]() if model in known else model._default_manager.order_by("pk").first()

    def words_for(self, model: type[Model]) -> list[str]:
        """What an operator might look for in a list of the console: an id, and a part of a name."""
        row = self.row_of(model)
        if row is None:
            return [str(self.account.pk), "web"]
        texts = [str(getattr(row, name, "")) for name in getattr(admin.site._registry[model], "search_text", ())]
        if isinstance(row.pk, int):  # a number is looked for as text, which fits other rows by chance
            page = admin.site._registry[model]
            ids = [getattr(row, name.partition("__")[0], None) for name in getattr(page, "search_ids", ())]
            return [str(next((found for found in ids if found), self.account.pk)), next((t[:4] for t in texts if t), "web")]
        return [str(row.pk), next((text[:4] for text in texts if text), str(row)[:4])]

    def clients(self) -> dict[str, Client | APIClient]:
        """Who asks: a customer and an operator by key, a person and staff by session; and the largest account's."""
        staff = User.objects.get_or_create(username="growth-staff", defaults={"is_staff": True, "is_superuser": True})[0]
        return {
            "customer": client_with(make_key(self.account, username=self.member.user.username)),
            "operator": client_with(make_key(None)), "person": _signed_in(self.member.user), "staff": _signed_in(staff),
            "nobody": Client(),
        }  # fmt: skip

    def of_largest(self) -> Subjects:
        """The same with the largest account."""
        other = Subjects(self.world)
        other.account = self.largest
        return other


def _signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client
