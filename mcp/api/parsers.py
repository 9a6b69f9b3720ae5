"""Reading bodies: JSON objects of bounded size, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import JSONParser

from mcp.api.errors import Malformed, TooLarge

SURROGATE = re.compile("[\ud800-\udfff]")


class BoundedJSONParser(JSONParser):
    """Refuses what is over DATA_UPLOAD_MAX_MEMORY_SIZE before reading it, and nesting that would exhaust the stack."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Raises TooLarge, Malformed, ParseError."""
        context = dict(parser_context or {})
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if int(context["request"].META.get("CONTENT_LENGTH") or 0) > most:
            raise TooLarge(f"A body has at most {most} bytes.")
        try:
            data = super().parse(stream, media_type, context)
            _demand_storable(data)
        except RecursionError as exc:
            raise Malformed("The JSON is nested too deeply.") from exc
        if not isinstance(data, dict):
            raise Malformed("The body must be a JSON object, such as {}.")
        return data


def _demand_storable(value: Any) -> None:
    """No database stores NUL or half a surrogate pair as text, wherever in the body it stands. Raises Malformed."""
    if isinstance(value, str):
        if "\x00" in value or SURROGATE.search(value):
            raise Malformed("Text must not hold NUL characters or lone surrogates.")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _demand_storable(key)
            _demand_storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _demand_storable(inner)
