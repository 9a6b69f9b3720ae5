"""Evacuate hosts, rebalance pods, and steer the runs of moves that follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import as_id, find
from accounts.api.views import OperatorView, actor
from mcp.api.changes import API, Outcome, carry_out
from mcp.api.fields import EmptySerializer, Number, StrictSerializer, Text
from mcp.api.filters import choice, filtered, text
from mcp.api.paging import paged
from mcp.api.schema import changing, listing, reading
from mcp.api.views import one, parsed
from mcp.errors import NotFound
from pods.api.hosts import find_host_row
from pods.models import MoveRun, Pod
from pods.services.evacuate import evacuate
from pods.services.move_runs import MOST_AT_ONCE
from pods.services.move_words import present_run, present_runs, runs
from pods.services.rebalance import MINIMUM_GAIN, rebalance
from pods.services.steer_moves import abort_moves, pause_moves, resume_moves
from pods.states import MoveRunState, MoveState

ORDER = ("-created_at",)
FILTERS = {
    "state": choice("state", MoveRunState.values, "By state."),
    "purpose": choice("purpose", MoveRun.Purpose.values, "By purpose."),
    "pod": text("pod__slug", "By pod."),
    "host": text("host__name", "By the name of the host being emptied."),
}
# What a view that rehearses or begins a run shows as its steps.
STEPS = ("Take no new guests", "Move the guests in order, so many at once")


class MoveShape(serializers.Serializer[Any]):
    """One guest of a run."""

    position = serializers.IntegerField()
    guest = serializers.UUIDField(help_text="The accelerator.")
    name = serializers.CharField()
    account = serializers.UUIDField(allow_null=True)
    source = serializers.CharField(help_text="The host that it leaves.")  # type: ignore[assignment]  # stubs: typed otherwise
    target = serializers.CharField(allow_null=True, help_text="The host that it goes to; none for one that stays.")
    cpu_m = serializers.IntegerField()
    memory_mib = serializers.IntegerField()
    disk_gib = serializers.IntegerField()
    gain = serializers.FloatField(allow_null=True, help_text="By how much of a host's room two hosts come nearer (rebalance).")
    state = serializers.ChoiceField(choices=MoveState.choices)
    reason = serializers.CharField(help_text="Why it stays, waits, or was not moved.")
    operation = serializers.UUIDField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class MoveCountsShape(serializers.Serializer[Any]):
    """How many guests there are in each state."""

    planned = serializers.IntegerField()
    moving = serializers.IntegerField()
    moved = serializers.IntegerField()
    failed = serializers.IntegerField()
    stuck = serializers.IntegerField()
    dropped = serializers.IntegerField()


class PicturedHostShape(serializers.Serializer[Any]):
    """How full a host is before and after, in percent."""

    host = serializers.CharField()
    cpu = serializers.ListField(child=serializers.IntegerField())
    memory = serializers.ListField(child=serializers.IntegerField())
    disk = serializers.ListField(child=serializers.IntegerField())


class MoveRunShape(serializers.Serializer[Any]):
    """A run of moves; `moves` is filled where one run is read, and empty in lists."""

    id = serializers.UUIDField()
    purpose = serializers.ChoiceField(choices=MoveRun.Purpose.choices)
    state = serializers.ChoiceField(choices=MoveRunState.choices)
    pod = serializers.CharField()
    host = serializers.CharField(allow_null=True, help_text="The one being emptied.")
    parallel = serializers.IntegerField()
    minimum_gain = serializers.FloatField(allow_null=True)
    reason = serializers.CharField()
    actor = serializers.CharField()
    estimated_s = serializers.FloatField(help_text="Seconds that all moves take at most, disks counted as full.")
    counts = MoveCountsShape()
    sentence = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    picture = PicturedHostShape(many=True)
    moves = MoveShape(many=True)


class EvacuationWish(StrictSerializer):
    """How to empty a host."""

    parallel = Number(required=False, default=2, min_value=1, max_value=MOST_AT_ONCE, help_text="Moves at once; 2 unless told.")
    reason = Text(max_length=200, required=False, default="", allow_blank=True)


class RebalanceWish(EvacuationWish):
    """How even a pod is to become."""

    minimum_gain = serializers.FloatField(
        required=False, default=MINIMUM_GAIN, min_value=0.001, max_value=1,
        help_text="By which share of a host's room each move must bring two hosts nearer; 0.05 unless told.",
    )  # fmt: skip


def _fresh(run: MoveRun) -> dict[str, Any]:
    return present_run(runs().get(pk=run.pk))


def _find(ref: str) -> MoveRun:
    key = as_id(ref)
    row = runs().filter(pk=key).first() if key is not None else None
    if row is None:
        raise NotFound(f"There is no evacuation {ref[:80]!r}.")
    return row


def _begin(request: Request, service: Callable[[], MoveRun]) -> Response:
    """A dry run is the same service rolled back: it plans on what is there, and shows the whole plan."""

    def perform() -> Outcome:
        run = service()
        return Outcome(lambda: _fresh(run), status=202, location=f"{API}/operator/evacuations/{run.pk}", steps=STEPS)

    return carry_out(request, perform)


class EvacuateView(OperatorView):
    """`/operator/hosts/{id}/evacuate`."""

    @changing(
        EvacuationWish, MoveRunShape, "evacuateHost", "Empty a host", status=202, tags=["operator"],
        examples=[OpenApiExample("Four at once", {"parallel": 4, "reason": "new fans"}, request_only=True)],
    )  # fmt: skip
    def post(self, request: Request, ref: str) -> Response:
        """It takes no new guests, and those that it has move within its pod. `?dry_run=true` shows the plan and does nothing."""
        row, body = find_host_row(ref), parsed(EvacuationWish, request)
        return _begin(request, lambda: evacuate(actor=actor(request), host=row, **body))


class RebalanceView(OperatorView):
    """`/operator/pods/{slug}/rebalance`."""

    @changing(RebalanceWish, MoveRunShape, "rebalancePod", "Make a pod's hosts more alike", status=202, tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """Only moves that gain enough. `?dry_run=true` shows the plan and does nothing."""
        row = find(Pod.objects.all(), ref, name="slug", what="pod")
        body = parsed(RebalanceWish, request)
        return _begin(request, lambda: rebalance(actor=actor(request), pod=row, **body))


class EvacuationsView(OperatorView):
    """`/operator/evacuations`."""

    @listing(MoveRunShape, "evacuations", "Runs of moves", filters=FILTERS, order=ORDER, tags=["operator"])
    def get(self, request: Request) -> Response:
        """Evacuations and rebalances, newest first, without their moves."""
        page = paged(request, filtered(request, runs(), FILTERS), ORDER)
        return Response(page.body(present_runs(page.rows)))


class EvacuationView(OperatorView):
    """`/operator/evacuations/{id}`."""

    @reading(MoveRunShape, "evacuation", "One run of moves", tags=["operator"])
    def get(self, request: Request, ref: str) -> Response:
        """With every guest of it: where it goes, how far it is, or why it stays."""
        return one(request, present_run(_find(ref)))


class SteerView(OperatorView):
    """The verbs on a run."""

    service: ClassVar[tuple[Callable[..., MoveRun]]]  # in a tuple, so that it does not become a method

    def answer(self, request: Request, ref: str) -> Response:
        """Raises NotFound, Conflict."""
        parsed(EmptySerializer, request)
        row, run = _find(ref), self.service[0]

        def perform() -> Outcome:
            changed = run(actor=actor(request), run=row)
            return Outcome(lambda: _fresh(changed))

        return carry_out(request, perform)


class PauseView(SteerView):
    """`/pause`."""

    service = (pause_moves,)

    @changing(EmptySerializer, MoveRunShape, "pauseEvacuation", "Begin no more moves", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """What is at work ends."""
        return self.answer(request, ref)


class ResumeRunView(SteerView):
    """`/resume`."""

    service = (resume_moves,)

    @changing(EmptySerializer, MoveRunShape, "resumeEvacuation", "Go on after a pause", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """From where it stopped."""
        return self.answer(request, ref)


class AbortView(SteerView):
    """`/abort`."""

    service = (abort_moves,)

    @changing(EmptySerializer, MoveRunShape, "abortEvacuation", "Stop moving for good", tags=["operator"])
    def post(self, request: Request, ref: str) -> Response:
        """What has not switched over goes back; what has, ends on its new host. Moved guests stay where they are."""
        return self.answer(request, ref)
