"""`/operator/whatif`: what would happen if."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accelerators.services.whatif import ask_what_if
from accounts.api.views import OperatorView, actor
from mcp.api.filters import GENERAL, param
from mcp.api.schema import QUERY, reading
from mcp.api.views import one
from mcp.errors import FieldError, InvalidInput
from pods.api.allocations import RunwayShape
from pods.placement.explanation import SHORT
from pods.services.whatif_question import Question

LISTS: Mapping[str, str] = {
    "lose_host": "Hosts that are lost: names, POD/NAME, addresses or ids, with commas or repeated.",
    "lose_pod": "Pods that are lost, by slug.",
    "drain": "Hosts to be emptied; their guests stay in their pod.",
    "headroom": "Pods of which to tell N+1; those that the question touches unless told.",
}
NUMBERS: Mapping[str, str] = {"add_hosts": "So many hosts more, like `like`.", "count": "So many more of `plan`."}
WORDS: Mapping[str, str] = {
    "like": "A host that the new ones are like: its pod, size, kinds and traits.",
    "plan": "A plan of which more is wanted.",
    "pod": "Where the plan's guests are to go; anywhere unless told.",
    "location": "The same, by location.",
}
PARAMETERS = [
    *(OpenApiParameter(name, str, QUERY, many=True, description=text) for name, text in LISTS.items()),
    *(OpenApiParameter(name, int, QUERY, description=text) for name, text in NUMBERS.items()),
    *(OpenApiParameter(name, str, QUERY, description=text) for name, text in WORDS.items()),
]


class WhatIfGuestShape(serializers.Serializer[Any]):
    """A guest."""

    id = serializers.CharField()
    name = serializers.CharField()
    account = serializers.CharField()


class LeftOverShape(serializers.Serializer[Any]):
    """A guest that finds no host."""

    guest = WhatIfGuestShape()
    host = serializers.CharField(help_text="The one that it leaves.")
    pod = serializers.CharField()
    reason = serializers.CharField(help_text="The mask that stands in the way, as in placement's explanations.")


class RehomedShape(serializers.Serializer[Any]):
    """What becomes of guests that must move."""

    guests = serializers.IntegerField()
    placed = serializers.IntegerField()
    pods = serializers.DictField(child=serializers.IntegerField(), help_text="How many go to which pod.")
    reasons = serializers.DictField(child=serializers.IntegerField(), help_text="Why the others find nothing.")
    left_over = LeftOverShape(many=True, help_text="The first of them.")


class MoreShape(serializers.Serializer[Any]):
    """How many more of a plan there is room for."""

    plan = serializers.CharField()
    count = serializers.IntegerField()
    placed = serializers.IntegerField()
    pods = serializers.DictField(child=serializers.IntegerField())
    ends_first = serializers.CharField()
    explanation = serializers.JSONField(help_text="As with an operation's placement.")


class WhatIfRoomShape(serializers.Serializer[Any]):
    """One dimension of a pod, then."""

    cap = serializers.IntegerField()
    used = serializers.IntegerField()
    free = serializers.IntegerField(help_text="On hosts that take guests.")
    stranded = serializers.IntegerField(help_text="Of that, what no plan can use because another dimension is gone.")


class PodThenShape(serializers.Serializer[Any]):
    """A pod as it would be."""

    pod = serializers.CharField()
    hosts = serializers.IntegerField()
    taking_guests = serializers.IntegerField()
    cpu_m = WhatIfRoomShape(help_text="Thousandths of a processor.")
    memory_mib = WhatIfRoomShape()
    disk_gib = WhatIfRoomShape()
    stranded_hosts = serializers.IntegerField(help_text="Hosts with stranded room.")
    ends_first = serializers.CharField(help_text="The dimension that ends first on most of its hosts.")
    first = serializers.DictField(child=serializers.IntegerField(), help_text="Hosts by the dimension that ends first.")
    plans = serializers.DictField(child=serializers.IntegerField(), help_text="How many more of each plan, if only of that.")
    runway = RunwayShape()


class StrandedHostShape(serializers.Serializer[Any]):
    """A host with room that no plan can use."""

    host = serializers.CharField()
    pod = serializers.CharField()
    cpu_m = serializers.IntegerField()
    memory_mib = serializers.IntegerField()
    disk_gib = serializers.IntegerField()
    gone = serializers.ChoiceField(choices=list(SHORT))


class NotAbsorbedShape(serializers.Serializer[Any]):
    """A host whose loss the pod could not absorb."""

    host = serializers.CharField()
    left_over = serializers.IntegerField(help_text="Guests without a host then.")
    guests = WhatIfGuestShape(many=True)


class HeadroomShape(serializers.Serializer[Any]):
    """N+1 of a pod."""

    pod = serializers.CharField()
    hosts = serializers.IntegerField()
    absorbed = serializers.IntegerField(help_text="Hosts whose loss it could absorb.")
    not_absorbed = NotAbsorbedShape(many=True)


class WhatIfShape(serializers.Serializer[Any]):
    """The answer."""

    fits = serializers.BooleanField(help_text="Every guest that is owed a place has one, and all that was asked for more fits.")
    sentence = serializers.CharField()
    ends_first = serializers.CharField(help_text="cpu, memory or disk; empty if nothing can end.")
    hosts_before = serializers.IntegerField()
    hosts_after = serializers.IntegerField()
    lost = RehomedShape(help_text="Guests of lost hosts. They stay in their pod, unless it is lost.")
    drained = RehomedShape(help_text="Guests of drained hosts; they stay in their pod.")
    preemptible = RehomedShape(help_text="Preemptible guests of either; nobody owes them a place.")
    displaced_hosts = serializers.IntegerField(help_text="Hosts on which preemptible guests would have to leave.")
    more = MoreShape(allow_null=True)
    pods = PodThenShape(many=True)
    stranded_hosts = StrandedHostShape(many=True)
    headroom = HeadroomShape(many=True)
    headroom_left_out = serializers.ListField(
        child=serializers.CharField(), help_text="Pods too full to be told of unasked; name them in `headroom`."
    )


def question_of(request: Request) -> Question:
    """The question in a request's parameters. Raises InvalidInput naming what is unknown or no number."""
    faults = [
        FieldError(name[:80], "unknown", f"is no parameter here; there are {', '.join((*LISTS, *NUMBERS, *WORDS))}.")
        for name in request.query_params
        if name not in {*LISTS, *NUMBERS, *WORDS, *GENERAL}
    ]
    faults += [
        FieldError(name, "invalid", "must be a whole number.")
        for name in NUMBERS
        if not (text := param(request, name, "0")).isascii() or not text.isdecimal() or len(text) > 9
    ]
    if faults:
        raise InvalidInput("; ".join(f"{e.field}: {e.message}" for e in faults), errors=faults)
    fields: dict[str, Any] = {
        **{name: _split(request.query_params.getlist(name)) for name in LISTS},
        **{name: int(param(request, name, "0")) for name in NUMBERS},
        **{name: param(request, name) for name in WORDS},
    }
    return Question(**fields)


def _split(values: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


class WhatIfView(OperatorView):
    """`/operator/whatif`."""

    @reading(WhatIfShape, "whatIf", "What if hosts or pods were lost, drained or added, or more were wanted", tags=["operator"],
             parameters=PARAMETERS)  # fmt: skip
    def get(self, request: Request) -> Response:
        """Everything in one question is supposed at once. Asked of a copy: nothing changes."""
        return one(request, ask_what_if(actor=actor(request), question=question_of(request)))
