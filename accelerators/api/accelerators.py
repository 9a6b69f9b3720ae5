"""`/accelerators`: make, list, read, change, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, PolymorphicProxySerializer
from rest_framework.request import Request
from rest_framework.response import Response

from accelerators.api.present import present_all, present_id, present_ids, shown
from accelerators.api.shapes import AcceleratorEdit, AcceleratorShape, AcceleratorsMade, DryRunShape, NewAccelerator
from accelerators.models import Accelerator, Plan
from accelerators.operations.steps import START
from accelerators.services.ask import keeping_refusals
from accelerators.services.create import Created, create_accelerators
from accelerators.services.delete import delete
from accelerators.services.edit import Edit, edit_accelerator
from accelerators.services.wish import TAG_KEY, CreateWish
from accelerators.states import State
from accounts.api.account import present_limits
from accounts.api.lookup import as_id
from accounts.api.views import CustomerView, account, actor
from accounts.models import Account
from accounts.services.limits import LimitUse, limits_with_use
from mcp.api.changes import API, Outcome, accepted, carry_out
from mcp.api.etag import demand_match, tag_of
from mcp.api.filters import Filter, choice, filtered, flag, named, switch, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import Gone, InvalidInput, NotFound
from mcp.operations.models import Operation
from pods.models import Pod

ORDER = ("-created_at", "name", "memory_mib")
HIDDEN = (State.DELETED, State.TRASHED)
TAG = "tag."
FILTERS: dict[str, Filter] = {
    "state": choice("state", [state for state in State.values if state != State.DELETED], "By state; trashed ones only so."),
    "name": text("name", "By name."),
    "name_contains": text("name__contains", "By a part of the name."),
    "plan": text("plan__slug", "By plan."),
    "image": text("image__slug", "By image slug."),
    "pod": named("pod", Pod, "slug", "By pod."),
    "group": text("group", "By group."),
    "protected": flag("protected", "By protection."),
}
MADE: Any = PolymorphicProxySerializer(
    component_name="AcceleratorOrMany", serializers=[AcceleratorShape, AcceleratorsMade, DryRunShape],
    resource_type_field_name=None,
)  # fmt: skip
CHANGED: Any = PolymorphicProxySerializer(
    component_name="AcceleratorOrDryRun", serializers=[AcceleratorShape, DryRunShape], resource_type_field_name=None
)


def revision_tag(body: Any) -> str:
    """The entity tag of a presented accelerator."""
    return tag_of(body, body["revision"])


def find_accelerator(owner: Account, ref: str) -> Accelerator:
    """By id or name. Raises Gone with the last known form of a deleted one, NotFound for all others."""
    rows = shown(Accelerator.objects.filter(account=owner))
    key = as_id(ref)
    if key is None and not TAG_KEY.fullmatch(ref):
        raise NotFound(f"There is no accelerator {ref[:80]!r} in this account.")
    named = rows.filter(pk=key) if key is not None else rows.filter(name=ref)
    live = named.exclude(state=State.DELETED).first()
    if live is not None:
        return live
    deleted = named.filter(state=State.DELETED).order_by("-deleted_at").first()
    if deleted is None:
        raise NotFound(f"There is no accelerator {ref[:80]!r} in this account.")
    raise Gone(f"The accelerator {deleted.name} was deleted.", context={"last_known": deleted.last_known})


def by_tags(request: Request, rows: QuerySet[Accelerator]) -> QuerySet[Accelerator]:
    """`?tag.k=v`, any number of them; an empty value asks for the key alone. Raises InvalidInput."""
    for name, value in request.query_params.items():
        if not name.startswith(TAG):
            continue
        key = name.removeprefix(TAG)
        if not TAG_KEY.fullmatch(key):
            raise InvalidInput.on(name[:80], "keys have 1 to 64 letters, digits and ._-.", "malformed")
        match = {"tag_rows__key": key} | ({"tag_rows__value": value[:200]} if value else {})
        rows = rows.filter(**match)
    return rows


def difference(plan: Plan, count: int) -> dict[str, str]:
    """How the bill changes with `count` more (or fewer) of a plan."""
    return {
        "hourly": str(count * plan.price_hourly), "monthly": str(count * plan.price_monthly),
        "yearly": str(count * plan.price_yearly), "currency": plan.currency,
    }  # fmt: skip


class AcceleratorsView(CustomerView):
    """`/accelerators`."""

    noun = "accelerators"

    @listing(
        AcceleratorShape, "accelerators", "Accelerators", filters=FILTERS, order=ORDER, tags=["accelerators"],
        parameters=[OpenApiParameter("tag.KEY", str, description="By tag, as in tag.role=web; several are combined by and.")],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Newest first. What is in the trash is shown with ?state=trashed."""
        rows = filtered(request, Accelerator.objects.filter(account=account(request)), FILTERS, others=TAG)
        if "state" not in request.query_params:
            rows = rows.exclude(state__in=HIDDEN)
        page = paged(request, shown(by_tags(request, rows)), ORDER)
        return Response(page.body(present_all(page.rows)))

    @changing(
        NewAccelerator, MADE, "createAccelerators", "Make accelerators", takes_time=True, tags=["accelerators"],
        examples=[
            OpenApiExample("One", {"name": "web", "plan": "zone-256m", "image": "debian-12"}, request_only=True),
            OpenApiExample(
                "Twenty, apart from each other",
                {
                    "name": "web", "plan": "zone-1g", "image": "debian-12-web", "count": 20, "spread": "host",
                    "tags": {"role": "web"}, "user_script": "#!/bin/sh\nsystemctl enable --now nginx\n",
                },
                request_only=True,
            ),
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """All or none: room, addresses and limits are claimed before the answer; what cannot fit is refused at once.

        The answer is 202 with the accelerator and its operation; with a count above 1, with all of them.
        """
        body = parsed(NewAccelerator, request)
        body.pop("networks", None)
        wish = CreateWish(**body)
        with keeping_refusals(actor=actor(request), wish=wish, dry_run=switch(request, "dry_run")):
            return carry_out(request, lambda: _made(create_accelerators(actor=actor(request), wish=wish)))


def _made(created: Created) -> Outcome:
    ids = [row.pk for row in created.accelerators]
    many = len(ids) > 1

    def present() -> Any:
        found = present_ids(ids)
        return {"results": found, "count": len(found)} if many else found[0]

    first, first_row = created.operations[0], created.accelerators[0]
    return Outcome(
        present, status=202, operations=created.operations, price=difference(first_row.plan, len(ids)),
        location=f"{API}/operations?batch={first.batch_id}" if many else f"{API}/operations/{first.pk}",
        limits_after=lambda: present_limits(limits_with_use(first_row.account)),
        placement=_placement(created), steps=_steps(created),
        etag=None if many else revision_tag,
    )  # fmt: skip


def _placement(created: Created) -> dict[str, Any]:
    """With `room_by` where preemptible accelerators must leave first: when they will have been told to."""
    by = created.room_by
    return created.placement.for_customer() | ({} if by is None else {"room_by": by.isoformat()})


def _steps(created: Created) -> list[str]:
    """What will be done; with the wait for room, where there is one."""
    titles = [step.title for step in created.operations[0].steps]
    if created.room_by is None:
        return titles
    before = titles.index(START.title)
    waits = f"Waiting up to {settings.PREEMPT_NOTICE_S:g} s and a stop for preemptible accelerators to leave"
    return [*titles[:before], waits, *titles[before:]]


class AcceleratorView(CustomerView):
    """`/accelerators/{id or name}`."""

    noun = "accelerators"

    @reading(AcceleratorShape, "accelerator", "One accelerator", gone=True, tags=["accelerators"])
    def get(self, request: Request, ref: str) -> Response:
        """By id or name. A deleted one answers 410 with its last known form."""
        row = find_accelerator(account(request), ref)
        return one(request, present_all([row])[0], row.revision)

    @changing(AcceleratorEdit, CHANGED, "editAccelerator", "Change name, tags, metadata or protection", method="patch",
              tags=["accelerators"])  # fmt: skip
    def patch(self, request: Request, ref: str) -> Response:
        """A new name reaches the host name at the next start."""
        row, body = find_accelerator(account(request), ref), parsed(AcceleratorEdit, request)
        demand_match(request, tag_of(None, row.revision))
        expected = row.revision if request.headers.get("If-Match", "*").strip() not in ("", "*") else None

        def perform() -> Outcome:
            edit_accelerator(actor=actor(request), accelerator_id=row.pk, edit=Edit(**body), revision=expected)
            return Outcome(lambda: present_id(row.pk), etag=revision_tag)

        return carry_out(request, perform)

    @changing(
        None, CHANGED, "deleteAccelerator", "Delete an accelerator", method="delete", takes_time=True, tags=["accelerators"],
        parameters=[OpenApiParameter("now", bool, description="Skip the trash; nothing can be restored.")],
    )  # fmt: skip
    def delete(self, request: Request, ref: str) -> Response:
        """Into the trash, which keeps disk and address until `trash_until`; or for good with ?now=true.

        Always accepted, whatever else is being done to it, unless it is protected.
        """
        row, now = find_accelerator(account(request), ref), switch(request, "now")

        def perform() -> Outcome:
            _, operation = delete(actor=actor(request), accelerator_id=row.pk, now=now)
            for_good = operation.kind == "accelerator.delete"
            return accepted(
                operation, lambda: present_deleted(row.pk), etag=revision_tag,
                price=difference(row.plan, -1 if for_good and row.state != State.FAILED else 0),
                limits_after=lambda: _limits_without(row, for_good),
            )  # fmt: skip

        return carry_out(request, perform)


def present_deleted(key: UUID) -> dict[str, Any]:
    """On its way out, or gone: what is left of the row either way."""
    return present_id(key)


def _limits_without(row: Accelerator, for_good: bool) -> list[Mapping[str, Any]]:
    """As they will be once it is gone; the trash holds its room."""
    freed: dict[str, int] = {}
    if for_good and row.state != State.FAILED:
        freed = {
            "accelerators": 1, "memory_mib": row.memory_mib, "vcpus": -(-row.cpu_m // 1000), "disk_gib": row.disk_gib,
        }  # fmt: skip
    lines = limits_with_use(row.account)
    after = [LimitUse(line.resource, line.used - freed.get(line.resource, 0), line.limit) for line in lines]
    return cast(list[Mapping[str, Any]], present_limits(after))


def verb_outcome(row: Accelerator, operation: Operation) -> Outcome:
    """202 of a verb that leaves bill and limits alone."""
    return accepted(
        operation, lambda: present_id(row.pk), etag=revision_tag, price=difference(row.plan, 0),
        limits_after=lambda: present_limits(limits_with_use(row.account)),
    )  # fmt: skip
