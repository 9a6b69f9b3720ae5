"""`/accelerators/{id}/{start,stop,restart,undelete}` and the timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accelerators.api.accelerators import CHANGED, find_accelerator, verb_outcome
from accelerators.models import Accelerator
from accelerators.services.delete import undelete
from accelerators.services.power import restart, start, stop
from accounts.api.events import EventShape, present_event
from accounts.api.views import CustomerView, account, actor
from mcp.api.changes import carry_out
from mcp.api.fields import EmptySerializer
from mcp.api.filters import filtered, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing
from mcp.api.views import parsed
from mcp.events.models import Event
from mcp.operations.models import Operation

TIMELINE_FILTERS = {"kind": text("kind", "By kind of event.")}
NEWEST = ("-id",)
Service = Callable[..., tuple[Accelerator, Operation]]


class VerbView(CustomerView):
    """One service each."""

    noun = "accelerators"
    service: ClassVar[tuple[Service]]  # in a tuple, so that it does not become a method

    def answer(self, request: Request, ref: str) -> Response:
        """Raises NotFound, Gone, WrongState, OperationInProgress."""
        parsed(EmptySerializer, request)
        row = find_accelerator(account(request), ref)
        run = self.service[0]
        return carry_out(request, lambda: verb_outcome(row, run(actor=actor(request), accelerator_id=row.pk)[1]))


class StartView(VerbView):
    """`/start`."""

    service = (start,)

    @changing(EmptySerializer, CHANGED, "startAccelerator", "Start", takes_time=True, tags=["accelerators"])
    def post(self, request: Request, ref: str) -> Response:
        """A stopped one; its name, keys and limits are applied first."""
        return self.answer(request, ref)


class StopView(VerbView):
    """`/stop`."""

    service = (stop,)

    @changing(EmptySerializer, CHANGED, "stopAccelerator", "Stop", takes_time=True, tags=["accelerators"])
    def post(self, request: Request, ref: str) -> Response:
        """Shuts down cleanly; after half a minute it is switched off."""
        return self.answer(request, ref)


class RestartView(VerbView):
    """`/restart`."""

    service = (restart,)

    @changing(EmptySerializer, CHANGED, "restartAccelerator", "Restart", takes_time=True, tags=["accelerators"])
    def post(self, request: Request, ref: str) -> Response:
        """Stop and start."""
        return self.answer(request, ref)


class UndeleteView(VerbView):
    """`/undelete`."""

    service = (undelete,)

    @changing(EmptySerializer, CHANGED, "undeleteAccelerator", "Take out of the trash", takes_time=True, tags=["accelerators"])
    def post(self, request: Request, ref: str) -> Response:
        """Back, with its disk and address, and running."""
        return self.answer(request, ref)


class TimelineView(CustomerView):
    """`/timeline`."""

    noun = "accelerators"

    @listing(EventShape, "timeline", "What happened to it", filters=TIMELINE_FILTERS, order=NEWEST, tags=["accelerators"])
    def get(self, request: Request, ref: str) -> Response:
        """Newest first: requests, their ends, user scripts, and what was found changed from outside."""
        row = find_accelerator(account(request), ref)
        events = Event.objects.filter(target_id=row.pk, account_id=row.account_id)
        page = paged(request, filtered(request, events, TIMELINE_FILTERS), NEWEST)
        return Response(page.body([present_event(event) for event in page.rows]))
