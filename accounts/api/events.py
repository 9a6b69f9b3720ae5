"""`/events`: what happened, to read on from a cursor or to follow as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import CustomerView, account
from mcp.api.errors import TooManyHeld
from mcp.api.hold import place
from mcp.api.paging import limit_of
from mcp.errors import InvalidInput
from mcp.events.models import Event
from mcp.events.services.tail import events_after, newest_event

POLL_S = 0.5
A_LOOK = 200


class EventShape(serializers.Serializer[Any]):
    """One thing that happened."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.CharField(help_text="For instance accelerator.running or operation.failed.")
    target = inline_serializer(
        "EventTarget", {"type": serializers.CharField(), "id": serializers.UUIDField(), "name": serializers.CharField()}
    )
    operation = serializers.UUIDField(allow_null=True)
    actor = serializers.CharField()
    message = serializers.CharField(help_text="A sentence for people.")
    data = serializers.JSONField()  # type: ignore[assignment]  # stubs: the class attribute of that name is typed otherwise


def present_event(row: Event) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.pk, "at": row.at, "kind": row.kind,
        "target": {"type": row.target_type, "id": row.target_id, "name": row.target_name},
        "operation": row.operation_id, "actor": row.actor, "message": row.message, "data": row.data,
    }  # fmt: skip


class EventStreamRenderer(JSONRenderer):
    """Makes `Accept: text/event-stream` acceptable; errors before the stream begins are still JSON."""

    media_type = "text/event-stream"
    format = "stream"


class EventsView(CustomerView):
    """`/events`."""

    noun = "events"
    renderer_classes = (JSONRenderer, EventStreamRenderer)

    @extend_schema(
        operation_id="events", summary="Events after a cursor, or as they happen", tags=["events"],
        parameters=[
            OpenApiParameter("after", int, description="The last event you have; 0 is the beginning."),
            OpenApiParameter("limit", int, description="1 to 500; 50 unless told."),
            OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER, description="For streams: like after."),
        ],
        responses={
            (200, "application/json"): inline_serializer(
                "EventsAfter",
                {
                    "results": EventShape(many=True),
                    "after": serializers.IntegerField(help_text="Send it as ?after= next time."),
                    "next": serializers.URLField(),
                    "previous": serializers.URLField(allow_null=True),
                },
            ),
            (200, "text/event-stream"): str,
        },
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        """Oldest first, each exactly once in the order of the cursor, none missed: read, keep `after`, come back.

        With `Accept: text/event-stream` the answer stays open for about a minute and sends events as they happen, each
        with its id; browsers come back by themselves with Last-Event-ID. Without a cursor a stream begins with what is new.
        """
        owner = account(request).pk
        if request.accepted_renderer.media_type == EventStreamRenderer.media_type:
            return self._stream(owner, _cursor(request.headers.get("Last-Event-ID") or request.query_params.get("after")))
        after = _cursor(request.query_params.get("after")) or 0
        rows = events_after(after, account_id=owner, most=limit_of(request))
        last = rows[-1].pk if rows else after
        here = request.build_absolute_uri(request.path)
        return Response(
            {
                "results": [present_event(row) for row in rows], "after": last,
                "next": f"{here}?after={last}&limit={limit_of(request)}", "previous": None,
            }
        )  # fmt: skip

    def _stream(self, owner: UUID, after: int | None) -> StreamingHttpResponse:
        held = place()
        if not held.__enter__():
            held.__exit__(None, None, None)
            raise TooManyHeld("Read /events?after= now and then instead, or come back later.", context={"retry_after_s": 5})
        start = newest_event(account_id=owner) if after is None else after
        answer = StreamingHttpResponse(follow(owner, start), content_type="text/event-stream")
        answer["Cache-Control"] = "no-store"
        answer["X-Accel-Buffering"] = "no"
        # Runs when the answer is closed, also when the reader went away before the first line.
        answer._resource_closers.append(lambda: held.__exit__(None, None, None))  # type: ignore[attr-defined]  # Django has no public hook for it
        return answer


def follow(owner: UUID, after: int) -> Iterator[str]:
    """Server-sent events from the table, for EVENT_STREAM_S seconds; a comment now and then finds lost readers."""
    deadline = time.monotonic() + settings.EVENT_STREAM_S
    yield f"retry: 1000\nid: {after}\n\n"
    quiet_since = time.monotonic()
    while time.monotonic() < deadline:
        rows = events_after(after, account_id=owner, most=A_LOOK)
        for row in rows:
            after = row.pk
            data = json.dumps(present_event(row), cls=DjangoJSONEncoder, separators=(",", ":"))
            yield f"id: {row.pk}\nevent: {row.kind}\ndata: {data}\n\n"
        if rows:
            quiet_since = time.monotonic()
            continue
        if time.monotonic() - quiet_since > 10:
            quiet_since = time.monotonic()
            yield ": still here\n\n"
        time.sleep(POLL_S)
    connection.close_if_unusable_or_obsolete()


def _cursor(raw: str | None) -> int | None:
    if raw is None:
        return None
    if not raw.isascii() or not raw.isdigit() or len(raw) > 18:
        raise InvalidInput.on("after", "must be the id of an event, or 0.")
    return int(raw)
