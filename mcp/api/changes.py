"""What every change shares: the dry run, the idempotency key, the held answer. Views say what to do and how it looks.

A view hands `carry_out` a function that calls one service and answers an `Outcome`; everything in it happens in one
transaction when the request carries an Idempotency-Key (with the record of the answer) or asks for a dry run (rolled back).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from mcp.api.caller import caller_of
from mcp.api.filters import switch
from mcp.api.hold import asked_wait, until_decided
from mcp.api.services.idempotency import Answer, Keyed, keep, keyed, replay, take
from mcp.operations.models import Operation
from mcp.operations.states import SETTLED

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change did. `present` reads the resource afresh, so that a held answer shows it as it is by then."""

    present: Callable[[], Any]
    status: int = 200
    location: str = ""
    operations: Sequence[Operation] = ()
    etag: Callable[[Any], str] | None = None
    # For dry runs:
    steps: Sequence[str] = ()
    preview: Callable[[], Any] | None = None
    price: Mapping[str, Any] | None = None
    limits_after: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    placement: Mapping[str, Any] | None = None

    @property
    def titles(self) -> list[str]:
        """What would be done, step by step."""
        if self.operations and not self.steps:
            return [step.title for step in self.operations[0].steps]
        return list(self.steps)


def accepted(operation: Operation, present: Callable[[], Any], **more: Any) -> Outcome:
    """202 with the operation's address."""
    return Outcome(present, status=202, location=f"{API}/operations/{operation.pk}", operations=[operation], **more)


def carry_out(request: Request, perform: Callable[[], Outcome]) -> Response:
    """Do it, or say what it would do, or answer as before."""
    if switch(request, "dry_run"):
        return _dry_run(perform)
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        outcome = perform()
        return _answer(request, outcome, outcome.present())
    return _once(request, _keyed(request, key), perform)


def _keyed(request: Request, key: str) -> Keyed:
    return keyed(
        caller_of(request).owner_key, key, method="POST", path=request.path,
        query=request.META.get("QUERY_STRING", ""), data=cast(dict[str, Any], request.data),
    )  # fmt: skip


def replayed(request: Request) -> Response | None:
    """The stored answer, for views that must look at machines before the change and not at all for a repeated one."""
    key = request.headers.get("Idempotency-Key")
    if key is None or switch(request, "dry_run"):
        return None
    stored = replay(_keyed(request, key))
    return None if stored is None else _again(stored)


def _once(request: Request, wanted: Keyed, perform: Callable[[], Outcome]) -> Response:
    stored = replay(wanted)
    if stored is not None:
        return _again(stored)
    with transaction.atomic():
        row = take(wanted)
        if row is not None:
            outcome = perform()
            body = outcome.present()
            keep(row, Answer(outcome.status, outcome.location, JSONRenderer().render(body).decode()))
    if row is None:  # somebody was faster; what they did is committed
        stored = replay(wanted)
        assert stored is not None
        return _again(stored)
    return _answer(request, outcome, body)


def _again(stored: Answer) -> Response:
    headers = {"Idempotent-Replay": "true"}
    if stored.location:
        headers["Location"] = stored.location
    body = json.loads(stored.body) if stored.body else None
    return Response(body, status=stored.status, headers=headers)


def _answer(request: Request, outcome: Outcome, body: Any) -> Response:
    status, headers = outcome.status, {}
    seconds = asked_wait(request)
    if seconds is not None and outcome.operations:
        headers["Preference-Applied"] = f"wait={seconds}"
        ids = [operation.pk for operation in outcome.operations]
        until_decided(ids, seconds)
        body = outcome.present()
        unsettled = Operation.objects.filter(pk__in=ids).exclude(state__in=SETTLED).exists()
        status = 202 if unsettled else 200
    if outcome.location:
        headers["Location"] = outcome.location
    if outcome.etag is not None:
        headers["ETag"] = outcome.etag(body)
    return Response(body, status=status, headers=headers)


def _dry_run(perform: Callable[[], Outcome]) -> Response:
    """The same service in a transaction that is rolled back: nothing stays, and nothing is sent (that waits for a commit)."""
    with transaction.atomic():
        outcome = perform()
        body = {
            "dry_run": True,
            "steps": outcome.titles,
            "price": outcome.price,
            "limits_after": list(outcome.limits_after()) if outcome.limits_after else None,
            "placement": outcome.placement,
            "resource": (outcome.preview or outcome.present)(),
        }
        transaction.set_rollback(True)
    return Response(body)
